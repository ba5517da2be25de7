import type { IncomingMessage } from 'node:http'
import { changeQuery } from '@apigate/core'
import { readClientBody } from '../client-body.ts'
import type { Exchange } from '../exchange.ts'
import { ExchangeVariables } from '../exchange-variables.ts'
import { changedJson, decoded, isJsonType } from '../json-body.ts'
import { refusal, type Refusal } from '../refusal.ts'
import { hasBody } from '../request-body.ts'

const tooLarge = refusal('payload_too_large', 'The body is too large to be transformed.')
const broken = refusal('bad_request', 'The body is not what its Content-Encoding says.')
const unknownCoding = refusal('unsupported_media_type', 'The Content-Encoding of the body is not known here.', [
  ...['accept-encoding', 'gzip, deflate, br, zstd'],
])

/** Changes the query and a JSON body as the route's `request_transform` says; the headers are changed where they are made. */
export function transformRequest(exchange: Exchange): Refusal | null | Promise<Refusal | null> {
  selectChanges(exchange)
  const { request, requestChanges } = exchange
  if (requestChanges === null) return null
  const changesBody = requestChanges.some(({ body }) => body !== null)
  return changesBody && hasBody(request) && isJson(request) ? transformBody(exchange) : null
}

/** A client that sends two types must not choose which of them counts here and which at the upstream. */
function isJson(request: IncomingMessage): boolean {
  return request.headersDistinct['content-type']?.some(isJsonType) === true
}

/** What of the transform applies to the request, and the query that comes of it. */
export function selectChanges(exchange: Exchange): void {
  const { requestTransform } = exchange.match!.route
  if (requestTransform === null) return
  const variables = (exchange.variables = new ExchangeVariables(exchange))
  const parts = requestTransform.select(variables, 0)
  exchange.requestChanges = parts
  let query = exchange.query
  for (const part of parts) if (part.query !== null) query = changeQuery(part.query, query, variables)
  exchange.upstreamQuery = query
}

async function transformBody(exchange: Exchange): Promise<Refusal | null> {
  const { gateway, request, variables, requestChanges } = exchange
  const bytesMax = gateway.transformBytesMax
  const received = await readClientBody(exchange, bytesMax)
  if (received === null) return tooLarge
  if (exchange.isClientGone) return null
  exchange.receivedBody = received
  exchange.sentBody = received
  const plain = await decoded(received, request.headers['content-encoding'], bytesMax)
  if (plain === 'unknown') return unknownCoding
  if (plain === 'broken') return broken
  if (plain === 'too_large') return tooLarge
  const changed = changedJson(plain, requestChanges!, variables!)
  if (changed !== null) {
    exchange.sentBody = changed
    exchange.isBodyChanged = true
  }
  return null
}
