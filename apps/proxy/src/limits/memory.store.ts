import type { LimitCall, LimitReply, LimitStore, QuotaPeriod } from '@apigate/contracts'
import { exchangeTokens, exchangeUnits, fullLevel, newBucket, type SharedBucket } from '@apigate/core'

/** The ledger's units of each of these months. */
type ReadUnits = (periods: readonly QuotaPeriod[]) => number[] | Promise<number[]>

interface MonthCount {
  /** Null until the ledger has answered. */
  units: number | null
  /** When the ledger is asked again: it may have what did not come by this process. */
  askAtMs: number
}

const firstLookAgainMs = 1_000
const lookAgainMs = 10_000
const sweepMs = 60_000

/** The shared limits of a worker that is alone: in its memory, with the counts of months from the ledger. */
export class MemoryLimitStore implements LimitStore {
  readonly #readUnits: ReadUnits
  readonly #nowMs: () => number
  readonly #close: () => Promise<void>
  readonly #buckets = new Map<string, { bucket: SharedBucket; fullAtMs: number }>()
  readonly #counts = new Map<string, MonthCount>()
  readonly #bornMs = Date.now()
  #sweepAtMs = 0

  constructor(
    readUnits: ReadUnits,
    close: () => Promise<void> = () => Promise.resolve(),
    nowMs: () => number = () => Math.floor(performance.now()),
  ) {
    this.#readUnits = readUnits
    this.#close = close
    this.#nowMs = nowMs
  }

  exchange({ ownerId, key, quota }: LimitCall): LimitReply {
    const nowMs = this.#nowMs()
    if (nowMs >= this.#sweepAtMs) this.#sweep(nowMs)
    const ofQuota = quota === null ? null : this.#units(ownerId, quota, nowMs)
    const isRefused = quota !== null && quota.ask.take > 0 && !(ofQuota !== null && ofQuota.grant.taken > 0)
    return { key: key === null ? null : this.#tokens(key, isRefused, nowMs), quota: ofQuota }
  }

  ping(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return this.#close()
  }

  #tokens({ id, ask }: NonNullable<LimitCall['key']>, isRefused: boolean, nowMs: number): LimitReply['key'] {
    let held = this.#buckets.get(id)
    if (held === undefined) {
      held = { bucket: newBucket(ask.capacity, nowMs), fullAtMs: nowMs }
      this.#buckets.set(id, held)
    }
    const grant = exchangeTokens(held.bucket, isRefused ? { ...ask, take: 0, ahead: 0 } : ask, nowMs)
    held.fullAtMs = nowMs + (fullLevel(ask.capacity) - grant.level) / ask.ratePerMinute
    return grant
  }

  #units(ownerId: string, { period, ask }: NonNullable<LimitCall['quota']>, nowMs: number): LimitReply['quota'] {
    const id = `${ownerId} ${period}`
    let held = this.#counts.get(id)
    if (held === undefined) {
      held = { units: null, askAtMs: nowMs }
      this.#counts.set(id, held)
    }
    if (nowMs >= held.askAtMs) this.#look(held, { ownerId, period }, nowMs)
    if (held.units === null) return null
    const grant = exchangeUnits(held.units, ask)
    held.units = grant.count
    return { grant, bornMs: this.#bornMs }
  }

  #look(held: MonthCount, of: QuotaPeriod, nowMs: number): void {
    held.askAtMs = nowMs + (held.units === null ? firstLookAgainMs : lookAgainMs)
    const raise = ([units = 0]: number[]): void => {
      held.units = Math.max(held.units ?? 0, units)
    }
    const units = this.#readUnits([of])
    // What cannot be read now is asked for again.
    if (units instanceof Promise) units.then(raise).catch(() => {})
    else raise(units)
  }

  /** A full bucket is as good as none; a month's count that nobody asks for is in the ledger. */
  #sweep(nowMs: number): void {
    this.#sweepAtMs = nowMs + sweepMs
    for (const [id, { fullAtMs }] of this.#buckets) if (nowMs > fullAtMs + sweepMs) this.#buckets.delete(id)
    for (const [id, { askAtMs }] of this.#counts) if (nowMs > askAtMs + 60 * sweepMs) this.#counts.delete(id)
  }
}
