import type { PlanConfig, TokenDecision } from '@apigate/core'
import type { Owner } from '../tables/owner.table.ts'

/** What of a request its limits depend on. */
export interface LimitedRequest {
  readonly owner: Owner | null
  readonly plan: PlanConfig | null
  readonly keyId: string | null
  /** Unix ms. */
  readonly receivedAtMs: number
}

/** Units of one owner in one UTC month. */
export interface QuotaCount {
  /** As far as this worker knows; requests that run count as one each. */
  readonly used: number
  /** When the next month begins, Unix ms. */
  readonly resetAtMs: number
}

export interface QuotaReservation {
  readonly admitted: boolean
  /** Null where nothing is counted. */
  readonly count: QuotaCount | null
  /** Refused because the shared limits are away, not because of the count. */
  readonly isAway: boolean
}

/** How full a key's bucket is: whole tokens left, and when it is full again on the worker's monotonic clock. */
export type BucketLevel = Pick<TokenDecision, 'remaining' | 'resetAtMs'>

export interface RateDecision extends BucketLevel {
  readonly admitted: boolean
  readonly retryAfterMs: number
  /** Refused because the shared limits are away. */
  readonly isAway: boolean
}

/**
 * What plans allow, enforced. An answer that is in memory comes at once; a promise means that a shared store must be
 * asked. A refusal takes nothing. The request has an owner, a plan and a key.
 */
export interface Limits {
  /** Reserves one unit of the owner's month. An admitted reservation must be settled, once. */
  reserve(request: LimitedRequest): QuotaReservation | Promise<QuotaReservation>
  /** Turns a reservation into what the answer has cost: 0 gives it back. */
  settle(reservation: QuotaReservation, units: number): void
  takeToken(request: LimitedRequest): RateDecision | Promise<RateDecision>
  /** As far as this worker knows; takes nothing. */
  bucketLevel(request: LimitedRequest): BucketLevel
}
