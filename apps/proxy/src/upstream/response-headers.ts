import type { IncomingHttpHeaders } from 'node:http'
import { limitHeaderNames } from '../limits/limit-headers.ts'
import { connectionNames, hopByHopHeaders } from './hop-by-hop.ts'

const never = new Set([...hopByHopHeaders, 'x-request-id'])
/** An upstream's own limits would stand beside those of the key. */
const notBesideLimits = new Set<string>([...never, ...limitHeaderNames])

/**
 * What of an upstream's headers the client gets, names and values alternating; names in lower case, values of a repeated name one by one. The length comes last: `node:http` takes a `Content-Disposition` behind it
 * for UTF-8, and spoils or refuses what the upstream has sent.
 *
 * @param hasLimits our limit headers are added.
 * @param isChunked the answer to the client is chunked, so that trailers may be announced.
 * @param change what the route does with them.
 */
export function clientAnswerHeaders(
  upstream: IncomingHttpHeaders,
  hasLimits: boolean,
  isChunked: boolean,
  change: ((headers: string[]) => string[]) | null = null,
): string[] {
  const dropped = hasLimits ? notBesideLimits : never
  const named = connectionNames(upstream.connection)
  let headers: string[] = []
  const length = upstream['content-length']
  for (const name in upstream) {
    const value = upstream[name]
    if (value === undefined || name === 'content-length') continue
    if (dropped.has(name) && !(name === 'trailer' && isChunked)) continue
    if (named !== null && named.has(name)) continue
    if (typeof value === 'string') headers.push(name, value)
    else for (const each of value) headers.push(name, each)
  }
  if (change !== null) headers = change(headers)
  if (length !== undefined) headers.push('content-length', length)
  return headers
}
