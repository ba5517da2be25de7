import { Demand } from './demand.ts'
import { leaseMs, type LeaseReport, type RateAsk, type RateGrant } from './shared-bucket.ts'
import { fullLevel, levelPerToken, type TokenDecision } from './token-bucket.ts'

interface Lease {
  readonly window: number
  left: number
  /** Spent and not yet reported. */
  spent: number
  readonly endsAtMs: number
}

export interface BucketShape {
  capacity: number
  ratePerMinute: number
}

/** Who waits takes its token at once; nobody else may have it much later than the store gave it. */
const prepaidMs = 100

/**
 * A worker's end of one key's bucket: the tokens that it holds, spent from memory. Times are whole milliseconds of the
 * worker's monotonic clock.
 */
export class KeyLease {
  /** The bucket as the plan has it now. */
  shape: BucketShape
  readonly #demand = new Demand()
  /** Oldest first. */
  #leases: Lease[] = []
  /** Tokens that were taken for requests that are about to ask. */
  #prepaid = 0
  #prepaidEndsAtMs = 0
  #spentAtMs = 0
  /** The bucket as it was left at the last exchange; null before the first. */
  #level: number | null = null
  #levelAtMs = 0

  constructor(shape: BucketShape) {
    this.shape = shape
  }

  /** Nothing was held or asked for lately: it can be forgotten. */
  isIdle(nowMs: number): boolean {
    return this.#leases.length === 0 && this.#demand.at(nowMs) === 0 && nowMs - this.#levelAtMs > 2 * leaseMs
  }

  /** Spends a token that is at hand. */
  spend(nowMs: number): boolean {
    if (this.#prepaid > 0 && nowMs < this.#prepaidEndsAtMs) {
      this.#prepaid -= 1
      this.#demand.add(1, nowMs)
      return true
    }
    for (const lease of this.#leases) {
      if (lease.left === 0 || nowMs >= lease.endsAtMs) continue
      lease.left -= 1
      lease.spent += 1
      this.#spentAtMs = nowMs
      this.#demand.add(1, nowMs)
      return true
    }
    return false
  }

  /** Tokens at hand. */
  held(nowMs: number): number {
    let sum = nowMs < this.#prepaidEndsAtMs ? this.#prepaid : 0
    for (const { left, endsAtMs } of this.#leases) if (nowMs < endsAtMs) sum += left
    return sum
  }

  /** Whether to lease more before this runs dry: a quarter is left, or half where the store is asked for something else anyway. */
  isLow(nowMs: number, isAskedAnyway = false): boolean {
    const demand = this.#demand.at(nowMs)
    return demand > 0 && this.held(nowMs) * (isAskedAnyway ? 2 : 4) <= demand && !this.isKnownEmpty(nowMs)
  }

  /** Whether a lease has ended and the store does not know. */
  hasEnded(nowMs: number): boolean {
    return this.#leases.some(({ endsAtMs }) => nowMs >= endsAtMs)
  }

  /** Whether the shared bucket cannot have a token, as far as its last answer tells. */
  isKnownEmpty(nowMs: number): boolean {
    return this.#level !== null && this.levelAt(nowMs) < levelPerToken
  }

  /**
   * What to ask the store for `take` requests; what it tells of the past counts as told.
   *
   * @param debt level that was spent without the store.
   */
  ask(take: number, debt: number, nowMs: number): RateAsk {
    const reports: LeaseReport[] = []
    for (const lease of this.#leases) {
      const unspent = nowMs >= lease.endsAtMs ? lease.left : 0
      if (lease.spent + unspent > 0) reports.push({ window: lease.window, spent: lease.spent, unspent })
      lease.spent = 0
    }
    this.#leases = this.#leases.filter(({ left, endsAtMs }) => left > 0 && nowMs < endsAtMs)
    const demand = this.#demand.at(nowMs, take)
    const ahead = this.held(nowMs) * 2 > demand ? 0 : demand
    return { ...this.shape, reports, spentAgoMs: Math.max(0, nowMs - this.#spentAtMs), debt, take, ahead }
  }

  /** Gives back all of it: what was leased under another plan, or before the end. */
  end(): void {
    for (const lease of this.#leases) Object.assign(lease, { endsAtMs: -Infinity })
  }

  /** @param askedAtMs when `ask` was called: a lease counts from there, which is before the store's own count. */
  granted({ taken, leased, window, level }: RateGrant, askedAtMs: number, nowMs: number): void {
    if (leased > 0) this.#leases.push({ window, left: leased, spent: 0, endsAtMs: askedAtMs + leaseMs })
    this.#prepaid = taken
    this.#prepaidEndsAtMs = nowMs + prepaidMs
    this.#level = level
    this.#levelAtMs = nowMs
  }

  /** What to tell the client. */
  decision(admitted: boolean, nowMs: number): TokenDecision {
    const level = this.levelAt(nowMs)
    const held = this.held(nowMs)
    const full = fullLevel(this.shape.capacity)
    const missing = Math.max(0, full - level - held * levelPerToken)
    const rate = this.shape.ratePerMinute
    return {
      admitted,
      level,
      updatedAtMs: nowMs,
      remaining: Math.min(this.shape.capacity, Math.floor(level / levelPerToken) + held),
      retryAfterMs: admitted ? 0 : Math.max(1, Math.ceil((levelPerToken - level) / rate)),
      resetAtMs: nowMs + Math.ceil(missing / rate),
    }
  }

  /** What is in the shared bucket, as far as this worker knows: at most that. */
  levelAt(nowMs: number): number {
    const { capacity, ratePerMinute } = this.shape
    const full = fullLevel(capacity)
    if (this.#level === null) return full
    return Math.min(full, this.#level + Math.max(0, nowMs - this.#levelAtMs) * ratePerMinute)
  }
}
