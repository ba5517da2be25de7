import { changeHeaders } from '@apigate/core'
import { AnswerFields } from '../upstream/http1/answer.fields.ts'
import { plainName } from '../upstream/plain-name.ts'
import type { Exchange } from './exchange.ts'
import type { AnswerChanges } from './stages/transform-response.ts'

/** What is said of the bytes of a body, and no longer true of another one. */
const aboutTheBytes = ['content-length', 'content-encoding', 'content-md5', 'content-digest', 'repr-digest', 'digest']
const notOfChangedBodies = new Set([...aboutTheBytes, 'accept-ranges'])

/**
 * The client's headers as they go on from a route with transforms. What the route sets stands behind what a client's
 * `Connection` takes away, so that no client can take that away; the upstream's credentials are set last, so their name
 * goes. An answer that is to be transformed is asked for as a whole.
 */
export function changedRequestHeaders(exchange: Exchange, headers: readonly string[]): string[] {
  const { requestChanges, variables, upstream, isBodyChanged } = exchange
  const gone = new Set(isBodyChanged ? aboutTheBytes : [])
  if (exchange.match!.route.responseTransform?.hasBody) gone.add('range').add('if-range')
  let changed = without(headers, gone)
  for (const part of requestChanges ?? []) {
    if (part.headers !== null) changed = changeHeaders(part.headers, changed, variables!)
  }
  const credential = upstream!.credential
  return credential === null ? changed : without(changed, new Set([plainName(credential[0])]))
}

function without(headers: readonly string[], names: ReadonlySet<string>): string[] {
  return headers.filter((_, i) => !names.has(plainName(headers[i - (i % 2)]!)))
}

/**
 * The headers of an answer whose body is another one now. Digests are not those of the new body, and nobody could ask for
 * a part of it; an entity tag still says whether the resource has changed, but no longer of which bytes (RFC 9110 §8.8.1).
 *
 * @param length of the new body; null = not known.
 */
export function fieldsOfChangedBody(fields: AnswerFields, length: number | null): AnswerFields {
  const kept = fields.without(notOfChangedBodies)
  const etag = kept.get('etag')
  const tagged = etag === undefined || etag.startsWith('W/') ? kept : kept.with('etag', `W/${etag}`)
  return length === null ? tagged : tagged.with('content-length', String(length))
}

/** The trailers of an answer: what the route takes from its headers does not come behind the body; nothing is added. */
export function changedTrailers({ parts }: AnswerChanges, trailers: string[]): string[] {
  const taken = new Set<string>()
  for (const { headers } of parts) {
    for (const name of headers?.remove ?? []) taken.add(name)
    for (const name of headers?.rename.keys() ?? []) taken.add(name)
    for (const { lower } of headers?.set ?? []) taken.add(lower)
  }
  return trailers.filter((_, i) => !taken.has(trailers[i - (i % 2)]!))
}

/** The headers of an answer, names and values alternating, as the route changes them. */
export function changedAnswerHeaders(exchange: Exchange, { parts }: AnswerChanges, headers: string[]): string[] {
  let changed = headers
  for (const part of parts) {
    if (part.headers !== null) changed = changeHeaders(part.headers, changed, exchange.variables!)
  }
  return changed
}
