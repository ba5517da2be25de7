import { Injectable } from '@nestjs/common'
import { existing, type ResourceDefinition } from '../jsonapi/index.ts'
import type { UsagePeriod } from './usage.period.ts'
import { UsageRepository, type OwnerKind, type UsageGap, type UsageSum } from './usage.repository.ts'
import type { UsageSummary } from './usage.resource.ts'

@Injectable()
export class UsageService {
  constructor(private readonly usage: UsageRepository) {}

  gaps(): Promise<UsageGap[]> {
    return this.usage.gaps()
  }

  /**
   * An owner's usage of a period; of a month with its quota, by the plan that the owner has now.
   *
   * @throws ApiError 404 when there is no such owner.
   */
  async summary(
    kind: OwnerKind,
    definition: ResourceDefinition,
    id: string,
    period: UsagePeriod,
  ): Promise<UsageSummary> {
    const [found, sums] = await Promise.all([this.usage.quota(kind, id), this.usage.sums(kind, id, period)])
    const plan = existing(definition, id, found && { id, ...found })
    const [total] = sums.filter(({ by }) => by === 'total')
    const units = total?.metered_units ?? 0
    const quota = period.month === null || plan.quota === 0 ? null : plan.quota
    const overage = quota === null ? null : Math.max(0, units - quota)
    return {
      id: `${id}_${period.month ?? `${period.from}_${period.to}`}`,
      from: period.from,
      to: period.to,
      requests: total?.requests ?? 0,
      meteredUnits: units,
      requestBytes: total?.request_bytes ?? 0,
      responseBytes: total?.response_bytes ?? 0,
      quota,
      quotaMode: quota === null ? null : plan.quota_mode,
      remaining: quota === null ? null : Math.max(0, quota - units),
      overageUnits: overage,
      overageCents: overage === null ? null : overage * plan.overage_price,
      byRoute: partsOf(sums, 'route', 'route_id'),
      byStatusClass: partsOf(sums, 'status_class', 'status_class'),
      byDay: partsOf(sums, 'day', 'day'),
    }
  }
}

function partsOf(sums: readonly UsageSum[], part: UsageSum['by'], name: string): object[] {
  return sums
    .filter(({ by }) => by === part)
    .map(({ value, requests, metered_units, request_bytes, response_bytes }) => ({
      [name]: part === 'status_class' ? `${value}xx` : value === '' ? null : value,
      ...{ requests, metered_units, request_bytes, response_bytes },
    }))
}
