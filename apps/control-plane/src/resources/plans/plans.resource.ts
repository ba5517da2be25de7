import { defineResource } from '../../jsonapi/index.ts'
import { quotaModes } from './plans.input.ts'
import type { PlanRow } from './plans.repository.ts'

export const planResource = defineResource<PlanRow>({
  type: 'plans',
  path: '/api/plans',
  idPrefix: 'plan',
  attributes: {
    name: { kind: 'text' },
    description: { kind: 'text' },
    price_monthly: { kind: 'integer' },
    overage_price: { kind: 'integer' },
    requests_per_month: { kind: 'bigint' },
    rate_limit_per_minute: { kind: 'integer' },
    burst: { kind: 'integer', nullable: true },
    quota_mode: { kind: 'enum', values: quotaModes },
    quota_grace_percent: { kind: 'integer' },
    trial_days: { kind: 'integer' },
    stripe_price_id: { kind: 'text', nullable: true },
    paddle_price_id: { kind: 'text', nullable: true },
    lemon_variant_id: { kind: 'text', nullable: true },
    is_default: { kind: 'boolean' },
    enabled: { kind: 'boolean' },
    created_at: { kind: 'timestamp' },
    updated_at: { kind: 'timestamp' },
  },
})
