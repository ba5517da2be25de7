import { setTimeout as delay } from 'node:timers/promises'
import type { LimitCall, LimitReply, LimitStore } from '@apigate/contracts'
import type { PlanConfig, QuotaAsk } from '@apigate/core'
import type { Closeable, Logger } from '@apigate/platform'
import { AloneBucket, awayDecision, openDecision, type LimitsFallback } from './alone.limits.ts'
import { decisionOf, LimitStates, type KeyState, type MonthState } from './limit.state.ts'
import type { BucketLevel, LimitedRequest, Limits, QuotaReservation, RateDecision } from './limits.ts'
import { StoreBreaker } from './store.breaker.ts'

export interface LeasedLimitsOptions {
  store: LimitStore
  fallback: LimitsFallback
  /** Live workers, this one included. */
  workers: () => number
  log: Logger
  /** Whole milliseconds of a clock that never steps back. */
  nowMs?: () => number
}

const tickMs = 500
/** While the store gets a month's count from the ledger, it is asked again after so long, and for so long. */
const unknownRetryMs = 25
const unknownWaitMs = 250
const unknownPauseMs = 1_000
/** For what was asked before, and for giving back. */
const closeTimeoutMs = 500

const unlimited: RateDecision = { admitted: true, remaining: Infinity, resetAtMs: 0, retryAfterMs: 0, isAway: false }
const done = Promise.resolve()
const uncounted: QuotaReservation = { admitted: true, count: null, isAway: false }

/**
 * Limits that all workers share: tokens and units are leased from the store and spent in memory (decision 0002). Requests
 * that need what is not at hand wait for one call together; while the store is away, the fallback decides.
 */
export class LeasedLimits implements Limits, Closeable {
  /** Decisions that the fallback made, and those of them that admitted. */
  alone = 0
  aloneAdmitted = 0
  readonly breaker: StoreBreaker
  readonly #fallback: LimitsFallback
  readonly #workers: () => number
  readonly #nowMs: () => number
  readonly #states = new LimitStates()
  readonly #timer: NodeJS.Timeout
  #isClosing = false

  constructor({ store, fallback, workers, log, nowMs }: LeasedLimitsOptions) {
    this.breaker = new StoreBreaker(store, log)
    this.#fallback = fallback
    this.#workers = workers
    this.#nowMs = nowMs ?? (() => Math.floor(performance.now()))
    this.#timer = setInterval(() => this.tick(), tickMs)
    this.#timer.unref()
  }

  reserve(request: LimitedRequest): QuotaReservation | Promise<QuotaReservation> {
    const plan = request.plan!
    if (plan.requestsPerMonth === 0) return uncounted
    const nowMs = this.#nowMs()
    const month = this.#states.month(request, plan)
    if (month.account.reserve(month.limit, nowMs)) {
      if (month.account.isLow(month.limit, nowMs) && this.#canAsk(month)) {
        void this.#ask(this.#keyToLeaseAlong(request, plan, nowMs), 0, month, 0, nowMs)
      }
      return { admitted: true, count: month.account, isAway: false }
    }
    if (!month.isAsking) {
      const decided = this.#reserveFromMemory(month, nowMs)
      if (decided !== null) return decided
      const key = this.#keyToAskAlong(request, plan, nowMs)
      void this.#ask(key, key === null ? 0 : 1, month, 1, nowMs)
      // A store in memory has answered already.
      if (!month.isAsking) return this.#reserveFromMemory(month, nowMs) ?? this.#reserveAlone(month, nowMs)
    }
    return new Promise((decide) => void month.waiters.push(decide))
  }

  settle({ count }: QuotaReservation, units: number): void {
    if (count === null) return
    ;(count as MonthState['account']).settle(units, this.#nowMs())
  }

  takeToken(request: LimitedRequest): RateDecision | Promise<RateDecision> {
    const plan = request.plan!
    if (plan.rateLimitPerMinute === 0) return unlimited
    const nowMs = this.#nowMs()
    const key = this.#states.key(request, plan)
    if (key.lease.spend(nowMs)) {
      if (key.lease.isLow(nowMs) && this.#canAsk(key)) {
        void this.#ask(key, 0, this.#monthToTellAlong(key, nowMs), 0, nowMs)
      }
      return decisionOf(key, true, nowMs)
    }
    if (!key.isAsking) {
      const decided = this.#takeFromMemory(key, nowMs)
      if (decided !== null) return decided
      void this.#ask(key, 1, null, 0, nowMs)
      if (!key.isAsking) return this.#takeFromMemory(key, nowMs) ?? this.#takeAlone(key, nowMs)
    }
    return new Promise((decide) => void key.waiters.push(decide))
  }

  bucketLevel(request: LimitedRequest): BucketLevel {
    const plan = request.plan!
    return plan.rateLimitPerMinute === 0
      ? unlimited
      : this.#states.key(request, plan).lease.decision(true, this.#nowMs())
  }

  /** Tells the store what has ended, and forgets what is idle. */
  tick(): void {
    const nowMs = this.#nowMs()
    for (const key of this.#states.keys) {
      if (key.lease.hasEnded(nowMs) && this.#canAsk(key)) {
        void this.#ask(key, 0, this.#monthToTellAlong(key, nowMs), 0, nowMs)
      }
    }
    for (const month of this.#states.months) {
      if (month.account.isDue(nowMs) && this.#canAsk(month)) void this.#ask(null, 0, month, 0, nowMs)
    }
    this.#states.forgetIdle(this.#workers(), nowMs)
  }

  /** Gives back what is leased, and what the store is still asked for when that comes. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#isClosing = true
    for (let waitedMs = 0; this.#isAsking() && waitedMs < closeTimeoutMs; waitedMs += 5) await delay(5)
    await Promise.race([this.#giveBack(), delay(closeTimeoutMs, undefined, { ref: false })])
    await this.breaker.close()
  }

  async #giveBack(): Promise<void> {
    const nowMs = this.#nowMs()
    const calls: Promise<void>[] = []
    for (const key of this.#states.keys) {
      key.lease.end()
      if (key.lease.hasEnded(nowMs) && this.#canAsk(key)) calls.push(this.#ask(key, 0, null, 0, nowMs) ?? done)
    }
    for (const month of this.#states.months) {
      month.account.end()
      if (this.#canAsk(month)) calls.push(this.#ask(null, 0, month, 0, nowMs) ?? done)
    }
    await Promise.all(calls)
  }

  #isAsking(): boolean {
    return [...this.#states.keys, ...this.#states.months].some((state) => state.isAsking)
  }

  #canAsk(state: KeyState | MonthState): boolean {
    return !state.isAsking && !this.breaker.isAway
  }

  /** The request will need a token of this key: one call is enough for both. */
  #keyToAskAlong(request: LimitedRequest, plan: PlanConfig, nowMs: number): KeyState | null {
    if (plan.rateLimitPerMinute === 0) return null
    const key = this.#states.key(request, plan)
    return this.#canAsk(key) && key.lease.held(nowMs) === 0 && !key.lease.isKnownEmpty(nowMs) ? key : null
  }

  /** The key of a request whose owner's month is asked for more. */
  #keyToLeaseAlong(request: LimitedRequest, plan: PlanConfig, nowMs: number): KeyState | null {
    if (plan.rateLimitPerMinute === 0) return null
    const key = this.#states.key(request, plan)
    return this.#canAsk(key) && key.lease.isLow(nowMs, true) ? key : null
  }

  /** The month of a key that the store is asked for or told of. */
  #monthToTellAlong({ ownerId }: KeyState, nowMs: number): MonthState | null {
    const month = this.#states.monthOf(ownerId)
    if (month === null || !this.#canAsk(month)) return null
    return month.account.isDue(nowMs) || month.account.isLow(month.limit, nowMs, true) ? month : null
  }

  /** Null when the store must be asked. */
  #reserveFromMemory(month: MonthState, nowMs: number): QuotaReservation | null {
    const { account, limit } = month
    if (account.reserve(limit, nowMs)) return { admitted: true, count: account, isAway: false }
    if (this.breaker.isAway || nowMs < month.aloneUntilMs) return this.#reserveAlone(month, nowMs)
    return account.isKnownEmpty(nowMs) ? { admitted: false, count: account, isAway: false } : null
  }

  #reserveAlone({ account, limit }: MonthState, nowMs: number): QuotaReservation {
    const isRefused = this.#fallback === 'closed' && limit !== Infinity
    const bound = this.#fallback === 'open' ? Infinity : limit
    const admitted = !isRefused && account.reserveAlone(bound, this.#workers(), nowMs)
    this.#countAlone(admitted)
    return { admitted, count: account, isAway: isRefused }
  }

  #takeFromMemory(key: KeyState, nowMs: number): RateDecision | null {
    if (key.lease.spend(nowMs)) return decisionOf(key, true, nowMs)
    if (this.breaker.isAway) return this.#takeAlone(key, nowMs)
    return key.lease.isKnownEmpty(nowMs) ? decisionOf(key, false, nowMs) : null
  }

  #takeAlone(key: KeyState, nowMs: number): RateDecision {
    const decision = this.#decideAlone(key, nowMs)
    this.#countAlone(decision.admitted)
    return decision
  }

  #countAlone(admitted: boolean): void {
    this.alone += 1
    if (admitted) this.aloneAdmitted += 1
  }

  #decideAlone(key: KeyState, nowMs: number): RateDecision {
    if (this.#fallback === 'closed') return awayDecision(nowMs)
    if (this.#fallback === 'open') return openDecision(key.lease, nowMs)
    const workers = this.#workers()
    key.alone ??= new AloneBucket(key.lease, workers, nowMs)
    return key.alone.take(workers, nowMs)
  }

  /** One call for both; null when the store has answered at once. */
  #ask(
    key: KeyState | null,
    tokens: number,
    month: MonthState | null,
    units: number,
    nowMs: number,
  ): Promise<void> | null {
    const debt = key?.alone?.debt(this.#workers(), nowMs) ?? 0
    const rate = key?.lease.ask(tokens, debt, nowMs) ?? null
    const quota = month?.account.ask(month.limit, units, nowMs) ?? null
    if (this.#isClosing) {
      if (rate !== null) rate.ahead = 0
      if (quota !== null) quota.ahead = 0
    }
    const call: LimitCall = {
      ownerId: month?.ownerId ?? key!.ownerId,
      key: key !== null && rate !== null ? { id: key.id, ask: rate } : null,
      quota: month !== null && quota !== null ? { period: month.period, ask: quota } : null,
    }
    if (key !== null) key.isAsking = true
    if (month !== null) month.isAsking = true
    const hear = (reply: LimitReply | null): void => {
      const laterMs = this.#nowMs()
      if (month !== null) this.#heardOfMonth(month, quota!, reply, nowMs, laterMs)
      if (key !== null) this.#heardOfKey(key, reply, nowMs, laterMs)
    }
    const reply = this.breaker.exchange(call)
    if (reply instanceof Promise) return reply.then(hear)
    hear(reply)
    return null
  }

  #heardOfKey(key: KeyState, reply: LimitReply | null, askedAtMs: number, nowMs: number): void {
    key.isAsking = false
    if (reply?.key) {
      key.lease.granted(reply.key, askedAtMs, nowMs)
      key.alone = null
    }
    while (key.waiters.length > 0) {
      const decided = this.#takeFromMemory(key, nowMs)
      if (decided === null) return void this.#ask(key, key.waiters.length, null, 0, nowMs)
      key.waiters.shift()!(decided)
    }
  }

  #heardOfMonth(month: MonthState, ask: QuotaAsk, reply: LimitReply | null, askedAtMs: number, nowMs: number): void {
    month.isAsking = false
    if (reply?.quota) {
      month.unknownSinceMs = null
      month.account.granted(ask, reply.quota.grant, reply.quota.bornMs, askedAtMs)
    } else if (reply === null) {
      // A store that comes back may find the count again, or lose it.
      month.unknownSinceMs = null
    } else {
      month.account.undone(ask)
      if (ask.take > 0 && this.#waitForCount(month, nowMs)) return
    }
    this.#serveMonth(month, nowMs)
  }

  #serveMonth(month: MonthState, nowMs: number): void {
    while (month.waiters.length > 0) {
      const decided = this.#reserveFromMemory(month, nowMs)
      if (decided === null) return void this.#ask(null, 0, month, month.waiters.length, nowMs)
      month.waiters.shift()!(decided)
    }
  }

  /** The store has no count of this month: whoever waits, waits on for a while; then the fallback decides. */
  #waitForCount(month: MonthState, nowMs: number): boolean {
    month.unknownSinceMs ??= nowMs
    if (nowMs - month.unknownSinceMs >= unknownWaitMs) {
      month.unknownSinceMs = null
      month.aloneUntilMs = nowMs + unknownPauseMs
      return false
    }
    month.isAsking = true
    setTimeout(() => {
      month.isAsking = false
      const laterMs = this.#nowMs()
      // What an ask would tell a store that went away meanwhile would be forgotten.
      if (this.breaker.isAway) {
        month.unknownSinceMs = null
        this.#serveMonth(month, laterMs)
      } else void this.#ask(null, 0, month, Math.max(1, month.waiters.length), laterMs)
    }, unknownRetryMs).unref()
    return true
  }
}
