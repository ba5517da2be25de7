import { leaseShare } from './shared-bucket.ts'

/**
 * The shared end of an owner's month: one count of units that were used or may be used by a worker that took them.
 * `limits.lua.ts` of platform is the same arithmetic in Redis.
 */
export interface QuotaAsk {
  /** Units beyond which nothing is given; Infinity where the plan never refuses. */
  limit: number
  /** Units that were taken and not used; negative: used and not taken, as an answer's units are known afterwards. */
  give: number
  take: number
  ahead: number
}

export interface QuotaGrant {
  taken: number
  leased: number
  /** The count after it, with what is out at workers. */
  count: number
}

/** `count` is what the store holds; the grant's `count` is what it holds afterwards. */
export function exchangeUnits(count: number, { limit, give, take, ahead }: QuotaAsk): QuotaGrant {
  const used = count - give
  const left = Math.max(0, limit - used)
  const taken = Math.min(take, left)
  const leased = limit === Infinity ? 0 : Math.min(ahead, Math.floor((left - taken) / leaseShare))
  return { taken, leased, count: used + taken + leased }
}
