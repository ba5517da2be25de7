import {
  currentTracing,
  maskShapes,
  parseTraceparent,
  withLogFields,
  withoutValues,
  type LogFields,
  type OpenSpan,
} from '@apigate/platform'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/** What is bound to a request while it is worked on. */
interface RequestScope {
  log: LogFields
  span: OpenSpan | null
}

const scopes = new WeakMap<FastifyRequest, RequestScope>()

/** Of balancers and of Prometheus: every few seconds, and of no interest. */
const untraced = new Set(['/healthz', '/readyz', '/metrics'])

/**
 * Binds each request to what is done for it, so that every line that is logged meanwhile names it, and that its span is the parent
 * of what is asked of the database. Call before other hooks are installed.
 */
export function bindRequests(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, _reply, done) => {
    scopes.set(request, begin(request))
    enter(request, done)
  })
  // Again: reading a body loses what is bound to the request.
  fastify.addHook('preHandler', (request, _reply, done) => enter(request, done))
  fastify.addHook('onResponse', (request, reply, done) => {
    end(request, reply.statusCode, null)
    done()
  })
  fastify.addHook('onRequestAbort', (request, done) => {
    end(request, null, 'client_closed_request')
    done()
  })
}

function begin(request: FastifyRequest): RequestScope {
  const parent = parseTraceparent(request.headers['traceparent'] as string | undefined)
  const tracing = currentTracing()
  const route = request.is404 ? undefined : request.routeOptions.url
  const span =
    tracing === null || untraced.has(route ?? '')
      ? null
      : tracing.start(route === undefined ? request.method : `${request.method} ${route}`, {
          ...{ kind: 'server', parent, attributes: attributesOf(request, route) },
        })
  return { log: { request_id: request.id, trace_id: (span?.position ?? parent)?.traceId }, span }
}

function enter(request: FastifyRequest, done: () => void): void {
  const scope = scopes.get(request)
  if (scope === undefined) done()
  else withLogFields(scope.log, () => (scope.span === null ? done() : scope.span.run(done)))
}

function end(request: FastifyRequest, status: number | null, error: string | null): void {
  const span = scopes.get(request)?.span
  if (!span) return
  if (status !== null) span.set({ 'http.response.status_code': status })
  const failure = error ?? (status !== null && status >= 500 ? String(status) : null)
  if (failure !== null) span.fail(failure)
  span.end()
  scopes.delete(request)
}

/** HTTP semantic conventions, the stable ones. No header's value, no value of a query. */
function attributesOf(request: FastifyRequest, route: string | undefined) {
  const [path = '', ...query] = request.url.split('?')
  return {
    'http.request.method': request.method,
    'http.route': route,
    'url.scheme': request.protocol,
    'url.path': maskShapes(path),
    'url.query': query.length === 0 ? undefined : withoutValues(query.join('?')),
    'server.address': request.hostname || undefined,
    'server.port': request.port ?? undefined,
    'client.address': request.ip,
    'network.protocol.version': request.raw.httpVersion,
    'apigate.request.id': maskShapes(request.id),
  }
}
