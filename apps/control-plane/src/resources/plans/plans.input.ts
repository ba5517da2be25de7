import type { QuotaMode } from '@apigate/core'
import { Flag, Integer, OneOf, Required, Text } from '../../jsonapi/index.ts'

export const quotaModes = ['hard', 'soft', 'warn'] as const satisfies QuotaMode[]

export class PlanInput {
  @Required() @Text({ min: 1, max: 100 }) name?: string
  @Text({ max: 2000 }) description?: string
  /** Cents. */
  @Integer({ min: 0 }) price_monthly?: number
  /** Cents per unit. */
  @Integer({ min: 0 }) overage_price?: number
  /** -1, as some billing systems write "unlimited", is taken as 0. */
  @Integer({ min: -1, max: Number.MAX_SAFE_INTEGER }) requests_per_month?: number
  @Integer({ min: 0 }) rate_limit_per_minute?: number
  @Integer({ min: 1, nullable: true }) burst?: number | null
  @OneOf(quotaModes) quota_mode?: QuotaMode
  @Integer({ min: 0, max: 1000 }) quota_grace_percent?: number
  @Integer({ min: 0, max: 3650 }) trial_days?: number
  @Text({ max: 255, nullable: true }) stripe_price_id?: string | null
  @Text({ max: 255, nullable: true }) paddle_price_id?: string | null
  @Text({ max: 255, nullable: true }) lemon_variant_id?: string | null
  @Flag() is_default?: boolean
  @Flag() enabled?: boolean
}
