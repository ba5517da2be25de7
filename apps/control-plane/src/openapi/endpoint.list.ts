import { Injectable, RequestMethod } from '@nestjs/common'
import { METHOD_METADATA, PATH_METADATA, ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js'
import { RouteParamtypes } from '@nestjs/common/internal'
import { DiscoveryService, MetadataScanner } from '@nestjs/core'
import { adminMount } from '../admin-surface.ts'
import { isPublicHandler } from '../auth/index.ts'
import { endpointNotes, type EndpointNote } from '../jsonapi/index.ts'

/** A method of a controller at one of its paths. */
export interface Endpoint {
  method: HttpMethod
  /** As it is registered, e.g. `/api/users/:id`. */
  path: string
  /** `Class.method`, to be named in a complaint. */
  handler: string
  public: boolean
  /** By `@Body()`: the notes must then say what it looks like. */
  readsBody: boolean
  notes: readonly EndpointNote[]
}

const methods = { [RequestMethod.GET]: 'get', [RequestMethod.POST]: 'post', [RequestMethod.PUT]: 'put' } as const
const moreMethods = { [RequestMethod.DELETE]: 'delete', [RequestMethod.PATCH]: 'patch' } as const
const httpMethods: Readonly<Partial<Record<RequestMethod, HttpMethod>>> = { ...methods, ...moreMethods }

export type HttpMethod = 'get' | 'post' | 'put' | 'patch' | 'delete'

/** Every endpoint of the process, read from the controllers: what Nest registers with Fastify. */
@Injectable()
export class EndpointList {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  all(): Endpoint[] {
    return this.discovery.getControllers().flatMap(({ metatype, name }) => {
      if (typeof metatype !== 'function') return []
      const prototype = metatype.prototype as Record<string, object>
      return this.scanner.getAllMethodNames(prototype).flatMap((methodName) => {
        const handler = prototype[methodName]
        const verb = handler && (Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined)
        if (handler === undefined || verb === undefined) return []
        const method = httpMethods[verb]
        if (!method) throw new Error(`${name}.${methodName}: no words for this method of HTTP`)
        const rest = {
          ...{ handler: `${name}.${methodName}`, public: isPublicHandler(handler) },
          ...{ readsBody: readsBody(metatype, methodName), notes: endpointNotes(prototype, methodName) },
        }
        return pathsOf(metatype, handler).flatMap((path) => {
          const mount = adminMount([method.toUpperCase()], path)
          const mounted = mount?.method.map((name) => ({ method: name.toLowerCase() as HttpMethod, path: mount.url }))
          return [{ method, path }, ...(mounted ?? [])].map((place): Endpoint => ({ ...place, ...rest }))
        })
      })
    })
  }
}

function pathsOf(controller: object, handler: object): string[] {
  return pathsAt(controller).flatMap((base) =>
    pathsAt(handler).map(
      (path) =>
        `/${[base, path]
          .flatMap((part) => part.split('/'))
          .filter(Boolean)
          .join('/')}`,
    ),
  )
}

function pathsAt(target: object): string[] {
  return [Reflect.getMetadata(PATH_METADATA, target) as string | string[]].flat()
}

function readsBody(controller: object, method: string): boolean {
  const read = (Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, method) ?? {}) as object
  return Object.keys(read).some((name) => name.startsWith(`${RouteParamtypes.BODY}:`))
}
