import type { Exchange } from '../pipeline/exchange.ts'
import { changedRequestHeaders } from '../pipeline/changed-headers.ts'
import { connectionNames, hopByHopHeaders } from './hop-by-hop.ts'
import { plainName } from './plain-name.ts'

const PASS = 0
const DROP = 1
/** Dropped when the key was taken from it. */
const AUTHORIZATION = 2
/** Dropped unless the peer is a trusted proxy; the first three are then continued. */
const FORWARDED = 3
const VIA = 4
/** Dropped where the exchange is traced: its own is said instead. */
const TRACEPARENT = 5
/** Goes on with the trace that it belongs to. */
const TRACESTATE = 6

/** By plain name. */
const kinds = new Map<string, number>([
  ...hopByHopHeaders.map((name) => [name, DROP] as const),
  // Set below, or with the framing when the request is written.
  ...['host', 'content-length', 'x-api-key', 'x-request-id'].map((name) => [name, DROP] as const),
  ...['x-user-id', 'x-group-id', 'x-key-id', 'x-plan-id'].map((name) => [name, DROP] as const),
  ['authorization', AUTHORIZATION],
  ['forwarded', FORWARDED],
  ['x-real-ip', FORWARDED],
  ['via', VIA],
  ['traceparent', TRACEPARENT],
  ['tracestate', TRACESTATE],
])

const spellingsMax = 4_096
const spellingCharsMax = 64
/** By name as clients spell it, bounded, so that a request costs one look-up a header. */
const kindBySpelling = new Map<string, number>()

function kindOf(name: string): number {
  const known = kindBySpelling.get(name)
  if (known !== undefined) return known
  const plain = plainName(name)
  let kind = kinds.get(plain) ?? (plain.startsWith('x-forwarded-') ? FORWARDED : PASS)
  // A trusted proxy says it in the usual spelling, and lets a client's other one through.
  if (kind === FORWARDED && name.toLowerCase() !== plain) kind = DROP
  if (kindBySpelling.size < spellingsMax && name.length <= spellingCharsMax) kindBySpelling.set(name, kind)
  return kind
}

/**
 * The headers for the upstream, names and values alternating: the client's in their order and spelling, duplicates
 * included, without what is ours to say; then who calls, where it came from, and last the upstream's credentials.
 * `Host` is the upstream's own and, like the framing, set by its connection; the client's goes on as `X-Forwarded-Host`.
 */
export function upstreamRequestHeaders(exchange: Exchange): string[] {
  const { request, owner, connection, upstream, trace } = exchange
  const { rawHeaders } = request
  const ownTraceparent = trace?.traceparent ?? exchange.ownTraceparent
  const named = connectionNames(request.headers.connection)
  const credential = upstream!.credential
  let headers: string[] = []
  let via = ''
  let forwardedFor = ''
  let forwardedProto = 'http'
  let forwardedHost = exchange.authority

  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    const value = rawHeaders[i + 1]!
    const kind = kindOf(name)
    if (kind === DROP || (kind === AUTHORIZATION && exchange.isKeyInAuthorization)) continue
    if (named !== null && named.has(name.toLowerCase())) continue
    if (credential !== null && name.length === credential[0].length && plainName(name) === plainName(credential[0]))
      continue
    if (kind === VIA) {
      via += `${value}, `
    } else if (kind === FORWARDED) {
      if (!connection.isTrusted) continue
      const lower = name.toLowerCase()
      if (lower === 'x-forwarded-for') forwardedFor += `${value}, `
      else if (lower === 'x-forwarded-proto') forwardedProto = value
      else if (lower === 'x-forwarded-host') forwardedHost = value
      else headers.push(name, value)
    } else if (kind < TRACEPARENT || (kind === TRACESTATE && trace?.parentSpanId !== null)) {
      headers.push(name, value)
    } else if (kind === TRACEPARENT && ownTraceparent === null) {
      headers.push(name, value)
    }
  }
  // Before the transforms, which may take it away.
  if (ownTraceparent) headers.push('traceparent', ownTraceparent)

  const { requestTransform, responseTransform } = exchange.match!.route
  if (requestTransform !== null || responseTransform !== null) headers = changedRequestHeaders(exchange, headers)
  headers.push('x-forwarded-for', forwardedFor + connection.address, 'x-forwarded-proto', forwardedProto)
  if (forwardedHost !== '') headers.push('x-forwarded-host', forwardedHost)
  headers.push('via', `${via}1.1 apigate`, 'x-request-id', exchange.requestId)
  if (owner !== null) {
    headers.push(owner.kind === 'user' ? 'x-user-id' : 'x-group-id', owner.id)
    headers.push('x-key-id', exchange.keyId!, 'x-plan-id', owner.planId)
  }
  if (request.headers.te !== undefined && acceptsTrailers(request.headers.te)) headers.push('te', 'trailers')
  if (credential !== null) headers.push(credential[0], credential[1])
  return headers
}

function acceptsTrailers(te: unknown): boolean {
  return typeof te === 'string' && /(?:^|,)\s*trailers\s*(?:,|;|$)/i.test(te)
}
