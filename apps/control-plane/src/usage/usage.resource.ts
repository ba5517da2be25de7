import { defineResource } from '../jsonapi/index.ts'
import type { UsageGap } from './usage.repository.ts'

/** Events that the ledger has not: missing, or set aside because no ledger can hold them. */
export const usageGapResource = defineResource<UsageGap>({
  type: 'usage_gaps',
  path: '/api/usage-gaps',
  idPrefix: 'gap',
  attributes: {
    worker: { kind: 'text' },
    epoch: { kind: 'bigint' },
    first: { kind: 'bigint' },
    last: { kind: 'bigint' },
    events: { kind: 'bigint' },
    reason: { kind: 'enum', values: ['missing', 'refused'] },
    seen_at: { kind: 'timestamp' },
  },
})

/** An owner's usage of a period, as it stands in `data`; the sums of each part have the fields of the whole. */
export interface UsageSummary {
  id: string
  from: string
  to: string
  requests: number
  meteredUnits: number
  requestBytes: number
  responseBytes: number
  quota: number | null
  quotaMode: string | null
  remaining: number | null
  overageUnits: number | null
  overageCents: number | null
  byRoute: object[]
  byStatusClass: object[]
  byDay: object[]
}

export const usageSummaryResource = defineResource<UsageSummary>({
  type: 'usage_summaries',
  path: '/api/usage-summaries',
  idPrefix: '',
  attributes: {
    from: { kind: 'text' },
    to: { kind: 'text' },
    requests: { kind: 'bigint' },
    metered_units: { kind: 'bigint' },
    request_bytes: { kind: 'bigint' },
    response_bytes: { kind: 'bigint' },
    quota: { kind: 'bigint', nullable: true },
    quota_mode: { kind: 'text', nullable: true },
    remaining: { kind: 'bigint', nullable: true },
    overage_units: { kind: 'bigint', nullable: true },
    overage_cents: { kind: 'bigint', nullable: true },
    by_route: { kind: 'json' },
    by_status_class: { kind: 'json' },
    by_day: { kind: 'json' },
  },
})
