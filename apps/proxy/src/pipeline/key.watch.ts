import type { ErrorCode } from '@apigate/errors'
import type { KeyWatcher } from '../tables/live.tables.ts'
import type { Tables } from '../tables/tables.ts'
import type { Exchange } from './exchange.ts'

const everyMs = 1_000

/**
 * Ends what a key has opened and what goes on for long, when the key is not good any more: at once when it is revoked or
 * deleted, within a second when it expires or its owner is suspended.
 */
export class KeyWatch implements KeyWatcher {
  readonly #live: { readonly current: Tables | null }
  readonly #watched = new Map<string, Map<Exchange, (reason: ErrorCode) => void>>()
  #timer: NodeJS.Timeout | null = null

  constructor(live: { readonly current: Tables | null }) {
    this.#live = live
  }

  /** Until `forget`. An exchange without a key is not watched. @param end must end it */
  watch(exchange: Exchange, end: (reason: ErrorCode) => void): void {
    const { keyId } = exchange
    if (keyId === null) return
    const ofKey = this.#watched.get(keyId)
    if (ofKey === undefined) this.#watched.set(keyId, new Map([[exchange, end]]))
    else ofKey.set(exchange, end)
    this.#timer ??= setInterval(() => this.allKeysChanged(), everyMs).unref()
  }

  forget(exchange: Exchange): void {
    const ofKey = this.#watched.get(exchange.keyId ?? '')
    if (ofKey === undefined || !ofKey.delete(exchange) || ofKey.size > 0) return
    this.#watched.delete(exchange.keyId ?? '')
    if (this.#watched.size > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
  }

  keyChanged(id: string): void {
    const tables = this.#live.current
    if (tables !== null && this.#watched.has(id)) this.#check(tables, id, Date.now())
  }

  allKeysChanged(): void {
    const tables = this.#live.current
    if (tables === null) return
    const nowMs = Date.now()
    for (const id of this.#watched.keys()) this.#check(tables, id, nowMs)
  }

  #check(tables: Tables, keyId: string, nowMs: number): void {
    const reason = reasonAgainst(tables, keyId, nowMs)
    if (reason === null) return
    for (const [exchange, end] of this.#watched.get(keyId) ?? []) {
      this.forget(exchange)
      end(reason)
    }
  }
}

function reasonAgainst({ keys, owners }: Tables, keyId: string, nowMs: number): ErrorCode | null {
  const slot = keys.findId(keyId)
  if (slot === -1) return 'key_revoked'
  const owner = owners.at(keys.ownerOf(slot))
  if (owner === null) return 'key_revoked'
  const end = keys.ended(slot, nowMs)
  if (end !== null || owner.status === 'active') return end
  return owner.kind === 'user' ? 'user_suspended' : 'group_suspended'
}
