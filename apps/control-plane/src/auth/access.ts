import { RouteConfig } from '@nestjs/platform-fastify'
import { FASTIFY_ROUTE_CONFIG_METADATA } from '@nestjs/platform-fastify/constants.js'
import type { FastifyRequest } from 'fastify'

type Scope = 'admin:read' | 'admin:write' | 'meter:write'

/** Who may call a route, where the rule (reading takes `admin:read`, everything else `admin:write`) does not hold. */
interface Access {
  public?: true
  sessionOnly?: true
  scope?: Scope
}

/** Lets a controller's method be called without credentials; every other one is denied by default. */
export const Public = (): MethodDecorator => RouteConfig({ public: true } satisfies Access)

/** For what only somebody who has signed in can do, and no key. */
export const SessionOnly = (): MethodDecorator => RouteConfig({ sessionOnly: true } satisfies Access)

/** Lets keys with this scope call, besides those with `admin:write`. */
export const ForScope = (scope: Scope): MethodDecorator => RouteConfig({ scope } satisfies Access)

export function isPublic(request: FastifyRequest): boolean {
  return isPublicRoute(request.routeOptions)
}

export function isPublicRoute({ config }: { config?: unknown }): boolean {
  return (config as Access | undefined)?.public === true
}

/** The same of a controller's method. */
export function isPublicHandler(handler: object): boolean {
  const access = Reflect.getMetadata(FASTIFY_ROUTE_CONFIG_METADATA, handler) as Access | undefined
  return access?.public === true
}

export function isSessionOnly(request: FastifyRequest): boolean {
  return accessTo(request).sessionOnly === true
}

export const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD'])

/** The scopes of which a key needs one; the first is the least of them. */
export function scopesFor(request: FastifyRequest): readonly Scope[] {
  const { scope } = accessTo(request)
  if (scope !== undefined) return [scope, 'admin:write']
  return safeMethods.has(request.method) ? ['admin:read', 'admin:write'] : ['admin:write']
}

function accessTo(request: FastifyRequest): Access {
  return request.routeOptions.config as Access
}
