import {
  bucketCapacity,
  fullLevel,
  levelPerToken,
  nextMonthStartMs,
  quotaDecision,
  takeToken,
  type PlanConfig,
  type TokenDecision,
} from '@apigate/core'
import type { KeyTable } from '../tables/key.table.ts'
import type { Owner } from '../tables/owner.table.ts'
import type { BucketLevel, Limits, QuotaCount, QuotaReservation } from './limits.ts'

/**
 * Limits of one worker by itself: buckets in arrays beside the key table, by its slots, and a count per owner. Counts
 * begin at 0 when the worker starts.
 */
export class LocalLimits implements Limits {
  /** Not a number: nobody has used the bucket yet. */
  #levels = new Float64Array(0)
  #updatedAtMs = new Float64Array(0)
  readonly #counts = new Map<string, QuotaCount>()

  reserve(owner: Owner, plan: PlanConfig, nowMs: number): QuotaReservation {
    let count = this.#counts.get(owner.id)
    if (count === undefined || nowMs >= count.resetAtMs) {
      // What still runs from last month settles on last month's count.
      count = { used: 0, reserved: 0, resetAtMs: nextMonthStartMs(nowMs) }
      this.#counts.set(owner.id, count)
    }
    const admitted = quotaDecision(count.used + count.reserved, plan) === 'admit'
    if (admitted) count.reserved += 1
    return { admitted, count }
  }

  settle(reservation: QuotaReservation, units: number): void {
    reservation.count.reserved -= 1
    reservation.count.used += units
  }

  takeToken(keySlot: number, plan: PlanConfig, monotonicMs: number): TokenDecision {
    if (keySlot >= this.#levels.length) this.#grow(keySlot + 1)
    const decision = this.#decide(keySlot, plan, monotonicMs)
    // What an unlimited plan lets pass is not held against the key when it gets another.
    if (plan.rateLimitPerMinute === 0) return decision
    this.#levels[keySlot] = decision.level
    this.#updatedAtMs[keySlot] = decision.updatedAtMs
    return decision
  }

  bucketLevel(keySlot: number, plan: PlanConfig, monotonicMs: number): BucketLevel {
    const { admitted, remaining, resetAtMs } = this.#decide(keySlot, plan, monotonicMs)
    if (!admitted) return { remaining, resetAtMs }
    return { remaining: remaining + 1, resetAtMs: resetAtMs - levelPerToken / plan.rateLimitPerMinute }
  }

  #decide(keySlot: number, plan: PlanConfig, monotonicMs: number): TokenDecision {
    const capacity = bucketCapacity(plan)
    const level = this.#levels[keySlot] ?? NaN
    return Number.isNaN(level)
      ? takeToken(capacity, plan.rateLimitPerMinute, fullLevel(capacity), monotonicMs, monotonicMs)
      : takeToken(capacity, plan.rateLimitPerMinute, level, this.#updatedAtMs[keySlot]!, monotonicMs)
  }

  /** The slot belongs to another key from now on. */
  forgetKey(keySlot: number): void {
    if (keySlot < this.#levels.length) this.#levels[keySlot] = NaN
  }

  /** New tables number their keys anew: buckets go with their keys. */
  moveKeys(from: KeyTable, to: KeyTable): void {
    const levels = this.#levels
    const updatedAtMs = this.#updatedAtMs
    this.#levels = new Float64Array(0)
    this.#updatedAtMs = new Float64Array(0)
    this.#grow(to.capacity)
    for (const [slot, level] of levels.entries()) {
      if (Number.isNaN(level)) continue
      const moved = to.findDigest(from.digestOf(slot))
      if (moved === -1) continue
      this.#levels[moved] = level
      this.#updatedAtMs[moved] = updatedAtMs[slot]!
    }
  }

  #grow(slots: number): void {
    const size = Math.max(slots, Math.ceil(this.#levels.length * 1.5), 1_024)
    const levels = new Float64Array(size).fill(NaN)
    const updatedAtMs = new Float64Array(size)
    levels.set(this.#levels)
    updatedAtMs.set(this.#updatedAtMs)
    this.#levels = levels
    this.#updatedAtMs = updatedAtMs
  }
}
