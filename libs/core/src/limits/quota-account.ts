import { Demand } from './demand.ts'
import { leaseMs } from './shared-bucket.ts'
import type { QuotaAsk, QuotaGrant } from './shared-quota.ts'

/** An event is in the ledger that long after its answer, when all is well. */
const recentMs = 10_000
/** The store hears of units that it did not give after so long, and is asked again after so long when it had none left. */
const toldAfterMs = 1_000

/**
 * A worker's end of one owner's month. `left` are units that may be used from memory; below 0 they were used and the
 * store does not know yet. Times are whole milliseconds of the worker's monotonic clock.
 */
export class QuotaAccount {
  /** When the next month begins, Unix ms. */
  readonly resetAtMs: number
  /** Requests whose units are not known yet; each has one unit meanwhile. */
  running = 0
  /** The store's count at the last exchange, with what is out at workers; null before the first. */
  #count: number | null = null
  #bornMs = 0
  #left = 0
  #endsAtMs = -Infinity
  #toldAtMs = -Infinity
  #refusedUntilMs = -Infinity
  #ownUnits = 0
  #recent = { startedAtMs: -Infinity, now: 0, before: 0 }
  readonly #demand = new Demand()

  constructor(resetAtMs: number) {
    this.resetAtMs = resetAtMs
  }

  get isKnown(): boolean {
    return this.#count !== null
  }

  /** Units of the month as this worker knows them, running requests with one each. */
  get used(): number {
    return (this.#count ?? 0) - this.#left
  }

  /** Nothing runs and the store knows everything. */
  isIdle(nowMs: number): boolean {
    return this.running === 0 && this.#left === 0 && nowMs - Math.max(this.#toldAtMs, this.#endsAtMs) > 2 * leaseMs
  }

  /** Uses a unit of the lease. With a limit that never refuses there is always one, once the count is known. */
  reserve(limit: number, nowMs: number): boolean {
    const isFree = limit === Infinity ? this.isKnown : this.#left > 0 && nowMs < this.#endsAtMs
    if (isFree) this.#use(nowMs)
    return isFree
  }

  /**
   * Uses a unit without the store: no more than this worker's share of what was left when it was last heard.
   *
   * @param workers live ones.
   */
  reserveAlone(limit: number, workers: number, nowMs: number): boolean {
    const share = limit === Infinity ? Infinity : Math.floor(Math.max(0, limit - (this.#count ?? 0)) / workers)
    if (this.#ownUnits + 1 > share && !this.reserve(limit, nowMs)) return false
    if (this.#ownUnits + 1 <= share) this.#use(nowMs)
    this.#ownUnits += 1
    return true
  }

  #use(nowMs: number): void {
    this.#left -= 1
    this.running += 1
    this.#demand.add(1, nowMs)
  }

  settle(units: number, nowMs: number): void {
    this.running -= 1
    this.#left += 1 - units
    if (this.#ownUnits > 0) this.#ownUnits += units - 1
    if (units > 1) this.#demand.add(units - 1, nowMs)
    if (nowMs - this.#recent.startedAtMs >= recentMs) {
      const isNext = nowMs - this.#recent.startedAtMs < 2 * recentMs
      this.#recent = { startedAtMs: nowMs, now: 0, before: isNext ? this.#recent.now : 0 }
    }
    this.#recent.now += units
  }

  /** Whether the store said lately that nothing is left. */
  isKnownEmpty(nowMs: number): boolean {
    return nowMs < this.#refusedUntilMs
  }

  /** Whether to lease more before this runs dry: a quarter is left, or half where the store is asked for something else anyway. */
  isLow(limit: number, nowMs: number, isAskedAnyway = false): boolean {
    if (limit === Infinity || this.isKnownEmpty(nowMs)) return false
    const demand = this.#demand.at(nowMs)
    return demand > 0 && this.#left * (isAskedAnyway ? 2 : 4) <= demand
  }

  /** Whether there is something to tell the store that has waited long enough. */
  isDue(nowMs: number): boolean {
    if (this.#left > 0) return nowMs >= this.#endsAtMs
    return this.#left < 0 && nowMs - this.#toldAtMs >= toldAfterMs
  }

  /** What to ask the store; what it gives back counts as given. */
  ask(limit: number, take: number, nowMs: number): QuotaAsk {
    const hasEnded = nowMs >= this.#endsAtMs
    const give = this.#left < 0 || hasEnded ? this.#left : 0
    this.#left -= give
    this.#toldAtMs = nowMs
    const demand = this.#demand.at(nowMs, take)
    return { limit, give, take, ahead: this.#left * 2 > demand ? 0 : demand }
  }

  /** Gives back what was leased under another plan, and asks again although the store refused. */
  end(): void {
    this.#endsAtMs = -Infinity
    this.#refusedUntilMs = -Infinity
  }

  /**
   * @param bornMs when the store's count was made: another one than before was made from the ledger, which does not hold
   * the newest events yet, nor what runs; those count twice rather than not at all. Units that were taken from the old count
   * are gone with it.
   * @param askedAtMs when `ask` was called.
   */
  granted(ask: QuotaAsk, { taken, leased, count }: QuotaGrant, bornMs: number, askedAtMs: number): void {
    if (this.#bornMs !== 0 && this.#bornMs !== bornMs) {
      const isOld = askedAtMs - this.#recent.startedAtMs >= 2 * recentMs
      const recent = isOld ? 0 : this.#recent.now + this.#recent.before
      // Neither what this ask gave back: the new count never had it.
      this.#left = Math.min(this.#left, 0) - Math.max(0, ask.give) - this.running - recent
    }
    this.#left += taken + leased
    if (taken + leased > 0) this.#endsAtMs = askedAtMs + leaseMs
    this.#refusedUntilMs = taken < ask.take ? askedAtMs + toldAfterMs : -Infinity
    this.#bornMs = bornMs
    this.#count = count
    this.#ownUnits = 0
  }

  /** The store has certainly not done what was asked. */
  undone(ask: QuotaAsk): void {
    this.#left += ask.give
  }
}
