import { isWellFormedKey, presentedKey } from '@apigate/core'
import type { Exchange } from '../exchange.ts'
import { refusal, unauthorized, type Refusal } from '../refusal.ts'

const missing = unauthorized('missing_api_key', 'Send the key as "Authorization: Bearer <key>" or "X-API-Key: <key>".')
const invalid = unauthorized('invalid_api_key')
const ended = { key_expired: unauthorized('key_expired'), key_revoked: unauthorized('key_revoked') }
const notForCustomers = refusal('forbidden', 'A service key is not good for the proxy.')

/** Finds the key that the request presents. A public route asks for none, and only keeps one from going on. */
export function authenticate(exchange: Exchange): Refusal | null {
  const { headers } = exchange.request
  const xApiKey = headers['x-api-key']
  const presented = presentedKey(headers.authorization, typeof xApiKey === 'string' ? xApiKey : undefined)
  const isInAuthorization = presented?.from === 'authorization'
  if (!exchange.route!.authRequired) {
    exchange.isKeyInAuthorization = isInAuthorization && isWellFormedKey(presented.key)
    return null
  }
  if (presented === null) return missing
  exchange.isKeyInAuthorization = isInAuthorization

  return useKey(exchange, exchange.tables!.keys.find(presented.key))
}

/** @param slot -1 for a key that is not known. */
export function useKey(exchange: Exchange, slot: number): Refusal | null {
  if (slot === -1) return invalid
  const { keys, owners } = exchange.tables!
  exchange.keySlot = slot
  exchange.keyId = keys.idOf(slot)
  exchange.owner = owners.at(keys.ownerOf(slot))
  const end = keys.ended(slot, exchange.receivedAtMs)
  if (end !== null) return ended[end]
  if (keys.isScoped(slot)) return notForCustomers
  return null
}
