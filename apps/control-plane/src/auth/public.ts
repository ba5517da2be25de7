import { RouteConfig } from '@nestjs/platform-fastify'
import { FASTIFY_ROUTE_CONFIG_METADATA } from '@nestjs/platform-fastify/constants.js'
import type { FastifyRequest } from 'fastify'

/** Lets a controller's method be called without credentials; every other one is denied by default. */
export const Public = (): MethodDecorator => RouteConfig({ public: true })

export function isPublic(request: FastifyRequest): boolean {
  return 'public' in request.routeOptions.config && request.routeOptions.config.public === true
}

/** The same of a controller's method. */
export function isPublicHandler(handler: object): boolean {
  const config = Reflect.getMetadata(FASTIFY_ROUTE_CONFIG_METADATA, handler) as { public?: boolean } | undefined
  return config?.public === true
}
