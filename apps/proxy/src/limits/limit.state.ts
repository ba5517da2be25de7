import { bucketCapacity, KeyLease, monthStartMs, nextMonthStartMs, QuotaAccount, quotaLimit } from '@apigate/core'
import type { PlanConfig } from '@apigate/core'
import type { AloneBucket } from './alone.limits.ts'
import type { QuotaReservation, RateDecision } from './limits.ts'

/** What a worker holds of one key's rate. */
export interface KeyState {
  readonly id: string
  readonly ownerId: string
  plan: PlanConfig
  readonly lease: KeyLease
  /** Its own bucket, while the store is away. */
  alone: AloneBucket | null
  /** Requests that the answer of the store decides, in their order. */
  readonly waiters: ((decision: RateDecision) => void)[]
  isAsking: boolean
}

export function keyStateOf(id: string, ownerId: string, plan: PlanConfig): KeyState {
  const lease = new KeyLease({ capacity: bucketCapacity(plan), ratePerMinute: plan.rateLimitPerMinute })
  return { id, ownerId, plan, lease, alone: null, waiters: [], isAsking: false }
}

/** What a worker holds of one owner's month. */
export interface MonthState {
  readonly ownerId: string
  /** `YYYY-MM` */
  readonly period: string
  plan: PlanConfig
  /** Units beyond which the plan refuses. */
  limit: number
  readonly account: QuotaAccount
  readonly waiters: ((reservation: QuotaReservation) => void)[]
  isAsking: boolean
  /** Since when the store has no count, and until when nobody waits for it. */
  unknownSinceMs: number | null
  aloneUntilMs: number
}

/** @param nowMs Unix ms. */
export function monthStateOf(ownerId: string, plan: PlanConfig, nowMs: number): MonthState {
  return {
    ownerId,
    period: new Date(monthStartMs(nowMs)).toISOString().slice(0, 7),
    plan,
    limit: quotaLimit(plan),
    account: new QuotaAccount(nextMonthStartMs(nowMs)),
    waiters: [],
    isAsking: false,
    unknownSinceMs: null,
    aloneUntilMs: -Infinity,
  }
}
