import { bucketCapacity, KeyLease, monthStartMs, nextMonthStartMs, QuotaAccount, quotaLimit } from '@apigate/core'
import type { PlanConfig } from '@apigate/core'
import type { AloneBucket } from './alone.limits.ts'
import type { LimitedRequest, QuotaReservation, RateDecision } from './limits.ts'

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

function keyStateOf(id: string, ownerId: string, plan: PlanConfig): KeyState {
  const lease = new KeyLease({ capacity: bucketCapacity(plan), ratePerMinute: plan.rateLimitPerMinute })
  return { id, ownerId, plan, lease, alone: null, waiters: [], isAsking: false }
}

/** What the key's lease says at this moment. */
export function decisionOf({ lease }: KeyState, admitted: boolean, nowMs: number): RateDecision {
  const { remaining, retryAfterMs, resetAtMs } = lease.decision(admitted, nowMs)
  return { admitted, remaining, retryAfterMs, resetAtMs, isAway: false }
}

/** What a worker holds of one owner's month. */
export interface MonthState {
  readonly ownerId: string
  /** `YYYY-MM` */
  readonly period: string
  /** Unix ms. */
  readonly startsAtMs: number
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
function monthStateOf(ownerId: string, plan: PlanConfig, nowMs: number): MonthState {
  const startsAtMs = monthStartMs(nowMs)
  return {
    ownerId,
    period: new Date(startsAtMs).toISOString().slice(0, 7),
    startsAtMs,
    plan,
    limit: quotaLimit(plan),
    account: new QuotaAccount(nextMonthStartMs(nowMs)),
    waiters: [],
    isAsking: false,
    unknownSinceMs: null,
    aloneUntilMs: -Infinity,
  }
}

function isIn({ ownerId, startsAtMs, account }: MonthState, ofOwner: string, atMs: number): boolean {
  return ownerId === ofOwner && atMs >= startsAtMs && atMs < account.resetAtMs
}

/** What a worker holds of keys and owners that are in use. */
export class LimitStates {
  readonly #keys = new Map<string, KeyState>()
  readonly #months = new Map<string, MonthState>()
  /** Months that are over; what still ran then is settled there. */
  #pastMonths: MonthState[] = []

  get keys(): Iterable<KeyState> {
    return this.#keys.values()
  }

  /** The month that runs of an owner who is in use. */
  monthOf(ownerId: string): MonthState | null {
    return this.#months.get(ownerId) ?? null
  }

  get months(): MonthState[] {
    return [...this.#months.values(), ...this.#pastMonths]
  }

  key({ keyId, owner }: LimitedRequest, plan: PlanConfig): KeyState {
    let key = this.#keys.get(keyId!)
    if (key === undefined) {
      key = keyStateOf(keyId!, owner!.id, plan)
      this.#keys.set(keyId!, key)
    } else if (key.plan !== plan) {
      // What was leased under another plan is not spent under this one.
      key.plan = plan
      key.lease.end()
      key.lease.shape = { capacity: bucketCapacity(plan), ratePerMinute: plan.rateLimitPerMinute }
    }
    return key
  }

  /** The month in which the ledger will count the request, which need not be the newest. */
  month(request: LimitedRequest, plan: PlanConfig): MonthState {
    const month = this.#monthOf(request, plan)
    if (month.plan !== plan) {
      month.plan = plan
      month.limit = quotaLimit(plan)
      month.account.end()
    }
    return month
  }

  #monthOf({ owner, receivedAtMs }: LimitedRequest, plan: PlanConfig): MonthState {
    const newest = this.#months.get(owner!.id)
    if (newest !== undefined && receivedAtMs >= newest.startsAtMs && receivedAtMs < newest.account.resetAtMs)
      return newest
    const isPast = newest !== undefined && receivedAtMs < newest.startsAtMs
    const known = isPast ? this.#pastMonths.find((month) => isIn(month, owner!.id, receivedAtMs)) : undefined
    if (known !== undefined) return known
    const month = monthStateOf(owner!.id, plan, receivedAtMs)
    if (isPast) this.#pastMonths.push(month)
    else {
      if (newest !== undefined) this.#pastMonths.push(newest)
      this.#months.set(owner!.id, month)
    }
    return month
  }

  /** Drops what holds nothing and was not used lately. */
  forgetIdle(workers: number, nowMs: number): void {
    for (const [id, { alone, isAsking, lease }] of this.#keys) {
      const isSettled = alone === null || alone.debt(workers, nowMs) === 0
      if (isSettled && !isAsking && lease.isIdle(nowMs)) this.#keys.delete(id)
    }
    const isDone = (month: MonthState): boolean => !month.isAsking && month.account.isIdle(nowMs)
    for (const [id, month] of this.#months) if (isDone(month)) this.#months.delete(id)
    this.#pastMonths = this.#pastMonths.filter((month) => !isDone(month))
  }
}
