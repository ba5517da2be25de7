import { RouteConfig } from '@nestjs/platform-fastify'
import type { FastifyRequest } from 'fastify'

/** Lets a controller's method be called without credentials; every other one is denied by default. */
export const Public = (): MethodDecorator => RouteConfig({ public: true })

export function isPublic(request: FastifyRequest): boolean {
  return 'public' in request.routeOptions.config && request.routeOptions.config.public === true
}
