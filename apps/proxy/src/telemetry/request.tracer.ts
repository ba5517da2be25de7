import {
  maskShapes,
  parseTraceparent,
  traceparentOf,
  withoutValues,
  type TraceParent,
  type Tracing,
} from '@apigate/platform'
import type { Exchange } from '../pipeline/exchange.ts'
import type { TrustedProxies } from '../trusted-proxies.ts'

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
  /** @param believed clients whose word on sampling counts; anybody else's trace goes on, but the coin is flipped here. */
  constructor(
    private readonly tracing: Tracing,
    private readonly believed: TrustedProxies,
  ) {}

  /**
   * Null where the request is not sampled: then a client's `traceparent` goes on as it came, as not sampled, or, where it is not
   * usable, not at all.
   */
  begin(exchange: Exchange): RequestTrace | null {
    const header = exchange.clientHeaders['traceparent'] as string | undefined
    const parent: TraceParent | null = header === undefined ? null : parseTraceparent(header)
    const { tracing } = this
    const isBelieved = parent !== null && this.believed.has(exchange.clientAddress)
    // Not by a stranger's trace id either: whoever chooses it could choose one that every sampler takes.
    if (!tracing.samples(isBelieved ? parent : null)) {
      // Two of them are not usable here; an upstream may take the first.
      if (header !== undefined && parent === null) exchange.ownTraceparent = ''
      else if (parent?.isSampled === true && !isBelieved) {
        // Who changes the flag says so in its own name (W3C Trace Context §3.4).
        const { traceId } = parent
        exchange.ownTraceparent = traceparentOf({ traceId, spanId: tracing.newSpanId(), isSampled: false })
      }
      return null
    }
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

type Attributes = Record<string, string | number>

/** HTTP semantic conventions, the stable ones, and what only a gateway knows. What is not known is left out. */
function serverAttributes(exchange: Exchange): Attributes {
  const { method, owner, route, authority, host, query, keyId, errorCode, gateway, connection } = exchange
  const attributes: Attributes = {
    'http.request.method': methodName(method),
    'url.scheme': (connection.isTrusted && schemeOf(exchange.clientHeaders['x-forwarded-proto'])) || 'http',
    'url.path': maskShapes(exchange.path),
    'network.protocol.version': exchange.request.httpVersion,
    'http.response.status_code': exchange.status,
    'apigate.request.id': maskShapes(exchange.requestId),
  }
  if (!knownMethods.has(method)) attributes['http.request.method_original'] = method
  if (query !== '') attributes['url.query'] = withoutValues(query.slice(1))
  if (host !== '') attributes['server.address'] = host
  const port = /:(\d{1,5})$/.exec(authority)?.[1]
  if (port !== undefined) attributes['server.port'] = Number(port)
  if (gateway.recordClientIp) attributes['client.address'] = exchange.clientAddress
  if (route !== null) {
    if (route.pathPattern !== '') attributes['http.route'] = route.pathPattern
    attributes['apigate.route.id'] = route.id
  }
  if (keyId !== null) attributes['apigate.key.id'] = keyId
  if (owner !== null) {
    attributes[owner.kind === 'user' ? 'apigate.user.id' : 'apigate.group.id'] = owner.id
    attributes['apigate.plan.id'] = owner.planId
  }
  if (errorCode !== null) attributes['apigate.error.code'] = errorCode
  return attributes
}

function clientAttributes(exchange: Exchange, target: URL, resends: number): Attributes {
  const { upstreamMethod: method, upstreamPath, upstream, isOwnAnswer, status } = exchange
  const queryStart = upstreamPath.indexOf('?')
  const path = queryStart === -1 ? upstreamPath : upstreamPath.slice(0, queryStart)
  const query = queryStart === -1 ? '' : `?${withoutValues(upstreamPath.slice(queryStart + 1))}`
  const attributes: Attributes = {
    'http.request.method': methodName(method),
    'url.full': target.origin + maskShapes(path) + query,
    'server.address': target.hostname,
    'server.port': Number(target.port) || (target.protocol === 'https:' ? 443 : 80),
    'network.protocol.version': '1.1',
    'apigate.upstream.id': upstream!.config.id,
  }
  if (!knownMethods.has(method)) attributes['http.request.method_original'] = method
  // What the gateway answered in the upstream's place is no answer of it.
  if (!isOwnAnswer && status !== 499) attributes['http.response.status_code'] = status
  if (resends > 0) attributes['http.request.resend_count'] = resends
  return attributes
}

function schemeOf(forwardedProto: string | string[] | undefined): string | null {
  return forwardedProto === 'https' || forwardedProto === 'http' ? forwardedProto : null
}
