import type { PlanConfig } from '../model.ts'

type QuotaPlan = Pick<PlanConfig, 'requestsPerMonth' | 'quotaMode' | 'quotaGracePercent'>

export type QuotaWarning = 'approaching' | 'critical' | 'exceeded'

/** Units after which a month's requests are refused; Infinity where the plan never refuses. */
export function quotaLimit(plan: QuotaPlan): number {
  if (plan.requestsPerMonth === 0 || plan.quotaMode !== 'hard') return Infinity
  return Math.floor((plan.requestsPerMonth * (100 + plan.quotaGracePercent)) / 100)
}

/**
 * Whether the next request may pass when `usedUnits` are already counted. Units of an answer are known only afterwards,
 * so a request is admitted as long as one unit is left.
 */
export function quotaDecision(usedUnits: number, plan: QuotaPlan): 'admit' | 'refuse' {
  return usedUnits < quotaLimit(plan) ? 'admit' : 'refuse'
}

/** How near the plan's monthly units are: from 80 %, 95 % and 100 %, without the grace. Null below, and when unlimited. */
export function quotaWarning(usedUnits: number, plan: QuotaPlan): QuotaWarning | null {
  const limit = plan.requestsPerMonth
  if (limit === 0 || usedUnits * 100 < limit * 80) return null
  if (usedUnits >= limit) return 'exceeded'
  return usedUnits * 100 >= limit * 95 ? 'critical' : 'approaching'
}
