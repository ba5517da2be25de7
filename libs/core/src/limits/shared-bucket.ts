import { fullLevel, levelPerToken } from './token-bucket.ts'

/**
 * The shared end of a key's token bucket: what is kept once for all workers. `limits.lua.ts` of platform is the same
 * arithmetic in Redis; a test holds the two together.
 *
 * A worker takes tokens for requests that wait, and leases some ahead. Leased tokens that may still be spent count as in
 * the bucket (`level + out ≤ capacity`), so that the bucket does not refill behind a lease: in whatever order workers
 * lease, spend and report, and whatever gets lost, they admit no more than one bucket would that all of them asked. A lease may be
 * spent for `leaseMs`; it is counted as out in the window in which it was given, and what nobody reported of a window
 * counts as spent when that window is over, which is when nobody may spend of it any more.
 *
 * Levels are in 60,000ths of a token, as in `token-bucket.ts`; times are whole milliseconds of the store's one clock.
 */
export interface SharedBucket {
  level: number
  atMs: number
  /** Number of the newest window in which was leased, and the tokens out of it and of the one before. */
  window: number
  out: number
  outBefore: number
}

/** Tokens of leases of one window that are out no more. */
export interface LeaseReport {
  window: number
  spent: number
  unspent: number
}

export interface RateAsk {
  /** Tokens. */
  capacity: number
  ratePerMinute: number
  reports: readonly LeaseReport[]
  /** The newest of the reported tokens was spent at least so long ago. */
  spentAgoMs: number
  /** Level that is missing because requests were admitted while the store was away. */
  debt: number
  /** Tokens for requests that wait: they count as spent now. */
  take: number
  /** Tokens to lease, where the bucket has plenty. */
  ahead: number
}

export interface RateGrant {
  taken: number
  leased: number
  window: number
  /** What is left in the bucket. */
  level: number
}

/** How long a worker may spend a lease, from the moment at which it asked. */
export const leaseMs = 2_000
/** A window is over, and its leases with it, when the one after it is: 1 to 2 times this after they ended. */
export const leaseWindowMs = 4_000
/** At most this share of what is left is leased ahead: near the limit nothing is. */
export const leaseShare = 8

/** A bucket that nobody has used; null in the store means the same. */
export function newBucket(capacity: number, nowMs: number): SharedBucket {
  return { level: fullLevel(capacity), atMs: nowMs, window: Math.floor(nowMs / leaseWindowMs), out: 0, outBefore: 0 }
}

/** Changes `bucket`. `nowMs` may be behind its time: then no time has passed. */
export function exchangeTokens(bucket: SharedBucket, ask: RateAsk, nowMs: number): RateGrant {
  const latestMs = Math.max(bucket.atMs, nowMs)
  const elapsedMs = latestMs - bucket.atMs
  const sinceSpentMs = Math.min(ask.spentAgoMs, elapsedMs)
  // Until the last of what is reported was spent, it was in the bucket: what flowed over then is gone.
  refill(bucket, ask, elapsedMs - sinceSpentMs)
  const window = Math.floor(latestMs / leaseWindowMs)
  for (const report of ask.reports) if (report.window >= window - 1) settle(bucket, report)
  refill(bucket, ask, sinceSpentMs)
  bucket.atMs = latestMs
  if (window > bucket.window) {
    bucket.outBefore = window === bucket.window + 1 ? bucket.out : 0
    bucket.out = 0
    bucket.window = window
  }
  bucket.level = Math.max(0, bucket.level - Math.floor(ask.debt))

  const whole = Math.floor(bucket.level / levelPerToken)
  const taken = Math.min(ask.take, whole)
  const leased = Math.min(ask.ahead, Math.floor((whole - taken) / leaseShare))
  bucket.level -= (taken + leased) * levelPerToken
  bucket.out += leased
  return { taken, leased, window, level: bucket.level }
}

function refill(bucket: SharedBucket, { capacity, ratePerMinute }: RateAsk, ms: number): void {
  const room = fullLevel(capacity - bucket.out - bucket.outBefore)
  bucket.level = Math.max(0, Math.min(room, bucket.level + ms * ratePerMinute))
}

function settle(bucket: SharedBucket, { window, spent, unspent }: LeaseReport): void {
  const isNewest = window === bucket.window
  if (!isNewest && window !== bucket.window - 1) return
  const out = isNewest ? bucket.out : bucket.outBefore
  const ended = Math.min(out, spent + unspent)
  bucket.level += Math.min(unspent, ended) * levelPerToken
  if (isNewest) bucket.out -= ended
  else bucket.outBefore -= ended
}
