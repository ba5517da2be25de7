import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { RouteTraffic, type Logger } from '@apigate/platform'
import { ApiError, errorObject } from '@apigate/errors'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import type { ConnectionError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { mountAdminSurface } from './admin-surface.ts'
import { Authenticator, isPublic, isPublicRoute } from './auth/index.ts'
import {
  checkAccept,
  checkContentType,
  document,
  encodeDocument,
  mediaType,
  parseJson,
  parseYaml,
  sendError,
  withPrecondition,
  yamlType,
} from './jsonapi/index.ts'
import { bindRequests } from './request.scope.ts'

/** Who is not known yet gets no more room than it takes to sign in. */
const publicBodyBytesMax = 16_384

export interface HttpOptions {
  adminBodyBytesMax: number
  /** Of the paths that take many resources at once. */
  operationsBodyBytesMax: number
  /** CIDRs whose `X-Forwarded-*` is believed. */
  trustedProxies: string[]
}

/** Fastify as the admin API needs it: every answer, of the framework's own errors too, is a JSON:API document. */
export function createAdapter(options: HttpOptions, log: Logger): FastifyAdapter {
  return new FastifyAdapter({
    bodyLimit: options.adminBodyBytesMax,
    // Node's own default, which Fastify switches off: a client that never finishes its request holds a connection for ever.
    requestTimeout: 300_000,
    trustProxy: options.trustedProxies.length > 0 ? options.trustedProxies : false,
    genReqId: requestId,
    // Node would refuse a request without Host itself, and say nothing; see the first hook.
    http: { requireHostHeader: false },
    // An id in a path may be 133 characters, and the router counts before it decodes.
    routerOptions: { maxParamLength: 512 },
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      void reply.header('x-request-id', request.id)
      sendError(error, request, reply, log)
    },
    clientErrorHandler: (error: ConnectionError, socket: Socket) =>
      socket.writable && socket.end(rawAnswer(error.code)),
  })
}

/** Installs what happens to every request before its controller, in this order. Call before `app.init()`. */
export function installHooks(app: NestFastifyApplication, options: HttpOptions): void {
  const fastify = app.getHttpAdapter().getInstance()
  const authenticator = app.get(Authenticator)
  bindRequests(fastify)
  const routes = trackRoutes(fastify)
  mountAdminSurface(fastify)
  fastify.addHook('onRoute', (route) => {
    if (isPublicRoute(route)) route.bodyLimit = publicBodyBytesMax
  })
  fastify.addHook('onRoute', (route) => {
    if (routeSettings(route).takesMany) route.bodyLimit = options.operationsBodyBytesMax
  })

  fastify.server.on('checkExpectation', (request, response) => {
    response.writeHead(417, { 'content-type': mediaType, 'x-request-id': requestId(request), connection: 'close' })
    const error = errorObject('expectation_failed', 'only 100-continue can be expected', { header: 'Expect' })
    response.end(encodeDocument(document({ errors: [error] })))
  })

  fastify.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id)
    // RFC 9110 §12.5.5: whether an answer is 406 depends on Accept. Answers hold secrets and change: none may be kept.
    void reply.headers({ vary: 'Accept', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
    // RFC 9112 §3.2.
    if (request.raw.httpVersion === '1.1' && request.headers.host === undefined) {
      throw ApiError.of('bad_request', 'HTTP/1.1 demands a Host header', { header: 'Host' })
    }
    if (request.is404) throw unknownTarget(request.method, request.url, allowedMethods(routes, request.url))
    if (!isPublic(request)) await authenticator.authenticate(request)
    const { accept, 'content-type': type, 'content-encoding': encoding } = request.headers
    const { extensions, takesYaml } = routeSettings(request.routeOptions)
    checkAccept(accept, extensions)
    if (hasBody(request.raw)) checkContentType(type, encoding, extensions, takesYaml)
    // It says nothing about no body; Fastify would refuse a type that it has no parser for.
    else delete request.headers['content-type']
  })

  const traffic = app.get(RouteTraffic)
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.is404 ? 'none' : `${request.method} ${request.routeOptions.url}`
    traffic.count(route, reply.statusCode, reply.elapsedTime / 1_000)
    done()
  })

  // Not before: reading a body would lose what is bound to the request.
  fastify.addHook('preHandler', (request, _reply, done) => withPrecondition(request, done))

  fastify.removeAllContentTypeParsers()
  addParser(fastify, [mediaType, 'application/json'], parseJson)
  addParser(fastify, [yamlType], parseYaml)
}

function addParser(fastify: FastifyInstance, types: string[], parse: (body: Uint8Array) => unknown): void {
  fastify.addContentTypeParser(types, { parseAs: 'buffer' }, (_, body, done) => {
    try {
      done(null, parse(body as Buffer))
    } catch (error) {
      done(error as Error)
    }
  })
}

interface RouteSettings {
  /** Extensions of JSON:API that the path knows. */
  extensions?: readonly string[]
  takesMany?: boolean
  takesYaml?: boolean
}

/** What a controller says of its route by `@RouteConfig`. */
function routeSettings({ config }: { config?: object }): RouteSettings {
  return config ?? {}
}

/** A client's own id if it is 1 to 128 visible ASCII characters, else a new one. */
function requestId(request: IncomingMessage): string {
  const sent = request.headers['x-request-id']
  return typeof sent === 'string' && /^[\x21-\x7e]{1,128}$/.test(sent) ? sent : randomUUID()
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

function unknownTarget(method: string, url: string, allowed: readonly string[]): ApiError {
  if (allowed.length === 0) return ApiError.of('not_found', `there is nothing at ${url.split('?', 1)[0]}`)
  const allow = allowed.join(', ')
  return new ApiError([errorObject('method_not_allowed', `${method} is not one of ${allow}`)], { allow })
}

export interface RegisteredRoute {
  methods: string[]
  /** As it was registered, e.g. `/api/users/:id`. */
  path: string
  pattern: RegExp
}

const routesOf = new WeakMap<object, RegisteredRoute[]>()

/** Everything that the application answers to: Fastify's router does not say. */
export function registeredRoutes(app: NestFastifyApplication): readonly RegisteredRoute[] {
  return routesOf.get(app.getHttpAdapter().getInstance()) ?? []
}

function trackRoutes(fastify: FastifyInstance): RegisteredRoute[] {
  const routes: RegisteredRoute[] = []
  routesOf.set(fastify, routes)
  fastify.addHook('onRoute', ({ method, url }) => {
    const pattern = url.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/:[^/]+/g, '[^/]+')
    routes.push({ methods: [method].flat(), path: url, pattern: new RegExp(`^${pattern}$`) })
  })
  return routes
}

/** Which methods a path answers to. */
function allowedMethods(routes: readonly RegisteredRoute[], url: string): string[] {
  const path = url.split('?', 1)[0] ?? ''
  const found = routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods)
  return [...new Set(found)].toSorted()
}

/** For what Node's parser refuses before there is a request. */
function rawAnswer(code: string | undefined): string {
  const error = errorObject(
    code === 'HPE_HEADER_OVERFLOW' ? 'header_fields_too_large' : 'bad_request',
    code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'the request took too long' : undefined,
  )
  const body = JSON.stringify(document({ errors: [error] }))
  return [
    `HTTP/1.1 ${error.status} ${error.title}`,
    `Content-Type: ${mediaType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}
