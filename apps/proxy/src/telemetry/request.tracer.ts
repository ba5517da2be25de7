import type { IncomingHttpHeaders } from 'node:http'
import {
  maskShapes,
  parseTraceparent,
  traceparentOf,
  withoutValues,
  type SpanAttributes,
  type TraceParent,
  type Tracing,
} from '@apigate/platform'
import type { Exchange } from '../pipeline/exchange.ts'

/** What a sampled exchange remembers for its two spans. */
export class RequestTrace {
  /** What the upstream gets: its parent is the span of the call to it. */
  readonly traceparent: string
  target: URL | null = null
  /** Monotonic ms. */
  askedAtMs = 0
  resends = -1

  constructor(
    readonly traceId: string,
    /** Null: the trace begins here. */
    readonly parentSpanId: string | null,
    readonly serverSpanId: string,
    readonly clientSpanId: string,
  ) {
    this.traceparent = traceparentOf({ traceId, spanId: clientSpanId, isSampled: true })
  }

  /** The upstream is asked at this target, maybe once more. */
  asks(target: URL): void {
    if (this.resends < 0) this.askedAtMs = performance.now()
    this.target = target
    this.resends += 1
  }
}

/** Of https://www.rfc-editor.org/rfc/rfc9110 and PATCH: others are `_OTHER`, so that they cannot be many. */
const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'])

/**
 * Traces requests: a coin is flipped when one comes, and both of its spans are made when it has ended, of what the exchange
 * knows anyway. One that is not sampled costs the flip.
 */
export class RequestTracer {
  constructor(private readonly tracing: Tracing) {}

  /** Null where the request is not sampled: then a client's `traceparent` goes on as it came. */
  begin(headers: IncomingHttpHeaders): RequestTrace | null {
    const header = headers['traceparent'] as string | undefined
    const parent: TraceParent | null = header === undefined ? null : parseTraceparent(header)
    const { tracing } = this
    if (!tracing.samples(parent)) return null
    const traceId = parent?.traceId ?? tracing.newTraceId()
    return new RequestTrace(traceId, parent?.spanId ?? null, tracing.newSpanId(), tracing.newSpanId())
  }

  /** The exchange is over. */
  end(trace: RequestTrace, exchange: Exchange, latencyMs: number): void {
    const { traceId, parentSpanId, serverSpanId, clientSpanId, target } = trace
    const endMs = exchange.receivedAtMs + latencyMs
    const method = methodName(exchange.method)
    const { route } = exchange
    this.tracing.ended({
      name: route?.pathPattern ? `${method} ${route.pathPattern}` : method,
      kind: 'server',
      ...{ traceId, spanId: serverSpanId, parentSpanId, isParentRemote: true },
      ...{ startMs: exchange.receivedAtMs, endMs },
      attributes: serverAttributes(exchange),
      error: isFailure(exchange) ? (exchange.errorCode ?? String(exchange.status)) : null,
    })
    if (target === null) return
    this.tracing.ended({
      name: methodName(exchange.upstreamMethod),
      kind: 'client',
      ...{ traceId, spanId: clientSpanId, parentSpanId: serverSpanId, isParentRemote: false },
      startMs: exchange.receivedAtMs + trace.askedAtMs - exchange.startedAtMs,
      endMs,
      attributes: clientAttributes(exchange, target, trace.resends),
      error: exchange.errorCode ?? (exchange.status >= 400 ? String(exchange.status) : null),
    })
  }
}

/** A refusal is none, nor is a client that went away; an answer that broke off is. */
function isFailure({ status, errorCode, isOwnAnswer }: Exchange): boolean {
  if (errorCode === 'client_closed_request') return false
  return status >= 500 || (errorCode !== null && !isOwnAnswer)
}

function methodName(method: string): string {
  return knownMethods.has(method) ? method : '_OTHER'
}

/** HTTP semantic conventions, the stable ones, and what only a gateway knows. */
function serverAttributes(exchange: Exchange): SpanAttributes {
  const { method, owner, route, authority, host, gateway, connection, clientHeaders } = exchange
  const port = /:(\d{1,5})$/.exec(authority)?.[1]
  return {
    'http.request.method': methodName(method),
    'http.request.method_original': knownMethods.has(method) ? undefined : method,
    'url.scheme': (connection.isTrusted && schemeOf(clientHeaders['x-forwarded-proto'])) || 'http',
    'url.path': maskShapes(exchange.path),
    'url.query': exchange.query === '' ? undefined : withoutValues(exchange.query.slice(1)),
    'server.address': host === '' ? undefined : host,
    'server.port': port === undefined ? undefined : Number(port),
    'network.protocol.version': exchange.request.httpVersion,
    'client.address': gateway.recordClientIp ? exchange.clientAddress : undefined,
    'http.route': route?.pathPattern || undefined,
    'http.response.status_code': exchange.status,
    'apigate.request.id': maskShapes(exchange.requestId),
    'apigate.route.id': route?.id,
    'apigate.key.id': exchange.keyId ?? undefined,
    'apigate.user.id': owner?.kind === 'user' ? owner.id : undefined,
    'apigate.group.id': owner?.kind === 'group' ? owner.id : undefined,
    'apigate.plan.id': owner?.planId,
    'apigate.error.code': exchange.errorCode ?? undefined,
    'apigate.config.revision': exchange.tables?.revision,
  }
}

function clientAttributes(exchange: Exchange, target: URL, resends: number): SpanAttributes {
  const { upstreamMethod: method, upstreamPath, upstream, isOwnAnswer, status } = exchange
  const queryStart = upstreamPath.indexOf('?')
  const path = queryStart === -1 ? upstreamPath : upstreamPath.slice(0, queryStart)
  const query = queryStart === -1 ? '' : `?${withoutValues(upstreamPath.slice(queryStart + 1))}`
  return {
    'http.request.method': methodName(method),
    'http.request.method_original': knownMethods.has(method) ? undefined : method,
    'url.full': target.origin + maskShapes(path) + query,
    'server.address': target.hostname,
    'server.port': Number(target.port) || (target.protocol === 'https:' ? 443 : 80),
    // What the gateway answered in the upstream's place is no answer of it.
    'http.response.status_code': isOwnAnswer || status === 499 ? undefined : status,
    'http.request.resend_count': resends > 0 ? resends : undefined,
    'network.protocol.version': '1.1',
    'apigate.upstream.id': upstream?.config.id,
  }
}

function schemeOf(forwardedProto: string | string[] | undefined): string | null {
  return forwardedProto === 'https' || forwardedProto === 'http' ? forwardedProto : null
}
