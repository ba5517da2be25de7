import type { QuotaAsk, QuotaGrant, RateAsk, RateGrant } from '@apigate/core'

/** What a worker asks the shared limits for, of one owner and of one of its keys, in one round trip. */
export interface LimitCall {
  ownerId: string
  key: { id: string; ask: RateAsk } | null
  /** `period` is `YYYY-MM`, UTC. Where the owner is refused, no token of the key is taken. */
  quota: { period: string; ask: QuotaAsk } | null
}

export interface LimitReply {
  key: RateGrant | null
  /** Null when the month's count is not known yet: nothing was done, and the count has been asked for. */
  quota: { grant: QuotaGrant; bornMs: number } | null
}

/** Where all workers together keep what is left of rates and quotas. */
export interface LimitStore {
  /** At once where the store is in memory. Rejects when it is away or slow; then the call may or may not have been done. */
  exchange(call: LimitCall): LimitReply | Promise<LimitReply>
  /** Resolves when the store answers. */
  ping(): Promise<void>
  close(): Promise<void>
}

/** One owner's month. */
export interface QuotaPeriod {
  ownerId: string
  /** `YYYY-MM`, UTC. */
  period: string
}
