import { fullLevel, takeToken, type KeyLease } from '@apigate/core'
import type { RateDecision } from './limits.ts'

/** What a worker does while the shared limits are away. */
export type LimitsFallback = 'local' | 'open' | 'closed'

/**
 * A worker's share of one key's bucket while it limits by itself: what it knows to be in the shared bucket, and the rate,
 * over the number of live workers. So all of them together begin with one bucket, not with one each.
 */
export class AloneBucket {
  readonly #lease: KeyLease
  #level: number
  #updatedAtMs: number

  constructor(lease: KeyLease, workers: number, nowMs: number) {
    this.#lease = lease
    this.#level = Math.floor(lease.levelAt(nowMs) / workers)
    this.#updatedAtMs = nowMs
  }

  take(workers: number, nowMs: number): RateDecision {
    const { capacity, ratePerMinute } = this.#lease.shape
    const share = Math.max(1, capacity / workers)
    const decision = takeToken(share, ratePerMinute / workers, this.#level, this.#updatedAtMs, nowMs)
    this.#level = decision.level
    this.#updatedAtMs = decision.updatedAtMs
    return { ...decision, isAway: false }
  }

  /** Level that is missing in the share: spent without the store, and not flowed in again. */
  debt(workers: number, nowMs: number): number {
    const { capacity, ratePerMinute } = this.#lease.shape
    const refilled = this.#level + (Math.max(nowMs, this.#updatedAtMs) - this.#updatedAtMs) * (ratePerMinute / workers)
    return Math.max(0, fullLevel(capacity) / workers - refilled)
  }
}

/** Refused because nobody can tell whether there is a token. */
export function awayDecision(nowMs: number): RateDecision {
  return { admitted: false, remaining: 0, resetAtMs: nowMs, retryAfterMs: 1_000, isAway: true }
}

/** Admitted although nobody can tell. */
export function openDecision(lease: KeyLease, nowMs: number): RateDecision {
  const { remaining, resetAtMs } = lease.decision(true, nowMs)
  return { admitted: true, remaining: Math.max(0, remaining), resetAtMs, retryAfterMs: 0, isAway: false }
}
