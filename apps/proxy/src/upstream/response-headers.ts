import { limitHeaderNames } from '../limits/limit-headers.ts'
import { connectionNames, hopByHopHeaders } from './hop-by-hop.ts'
import type { AnswerFields } from './http1/answer.fields.ts'

const never = new Set([...hopByHopHeaders, 'content-length', 'x-request-id'])
/** An upstream's own limits would stand beside those of the key. */
const notBesideLimits = new Set<string>([...never, ...limitHeaderNames])

/**
 * What of an upstream's headers the client gets, names and values alternating, without the length; names in lower case, values of
 * a repeated name one by one.
 *
 * @param hasLimits our limit headers are added.
 * @param isChunked the answer to the client is chunked, so that trailers may be announced.
 */
export function clientAnswerHeaders(upstream: AnswerFields, hasLimits: boolean, isChunked: boolean): string[] {
  const dropped = hasLimits ? notBesideLimits : never
  const named = connectionNames(upstream.get('connection'))
  const { flat } = upstream
  const headers: string[] = []
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i]!
    if (dropped.has(name) && !(name === 'trailer' && isChunked)) continue
    if (named !== null && named.has(name)) continue
    headers.push(name, flat[i + 1]!)
  }
  return headers
}
