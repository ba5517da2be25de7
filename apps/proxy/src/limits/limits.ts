import type { PlanConfig, TokenDecision } from '@apigate/core'
import type { Owner } from '../tables/owner.table.ts'

/** Units of one owner in one UTC month. */
export interface QuotaCount {
  /** Settled units. */
  used: number
  /** Units of requests that are running. */
  reserved: number
  /** When the next month begins, Unix ms. */
  readonly resetAtMs: number
}

export interface QuotaReservation {
  readonly admitted: boolean
  readonly count: QuotaCount
}

/** How full a key's bucket is: whole tokens left, and when it is full again on the clock that was given. */
export type BucketLevel = Pick<TokenDecision, 'remaining' | 'resetAtMs'>

/**
 * What plans allow, enforced. An answer that is in memory comes at once; a promise means that a shared store must be
 * asked. A refusal takes nothing.
 */
export interface Limits {
  /** Reserves one unit of the owner's month. An admitted reservation must be settled, once. */
  reserve(owner: Owner, plan: PlanConfig, nowMs: number): QuotaReservation | Promise<QuotaReservation>
  /** Turns a reservation into what the answer has cost: 0 gives it back. */
  settle(reservation: QuotaReservation, units: number): void
  /** @param monotonicMs whole milliseconds of a clock that never steps back. */
  takeToken(keySlot: number, plan: PlanConfig, monotonicMs: number): TokenDecision | Promise<TokenDecision>
  /** As far as this worker knows; takes nothing. */
  bucketLevel(keySlot: number, plan: PlanConfig, monotonicMs: number): BucketLevel
}
