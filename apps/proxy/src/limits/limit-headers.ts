import { quotaWarning, type PlanConfig } from '@apigate/core'
import type { BucketLevel, QuotaCount, QuotaReservation } from './limits.ts'

interface Limited {
  readonly plan: PlanConfig | null
  readonly token: BucketLevel | null
  readonly quota: QuotaReservation | null
  readonly receivedAtMs: number
  readonly startedAtMs: number
}

/** Names of what `appendLimitHeaders` sends: an upstream's own headers of these names are not passed on beside ours. */
export const limitHeaderNames = [
  ...['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'],
  ...['ratelimit', 'ratelimit-policy'],
  ...['x-quota-limit', 'x-quota-used', 'x-quota-remaining', 'x-quota-reset', 'x-quota-warning'],
] as const

/**
 * What the request's limits are, as far as it came; what is unlimited has no headers.
 *
 * @param withDraft also the two of draft-ietf-httpapi-ratelimit-headers.
 */
export function appendLimitHeaders(limited: Limited, headers: string[], withDraft: boolean): void {
  const { plan, token, quota } = limited
  if (plan === null) return
  if (token !== null && plan.rateLimitPerMinute > 0) {
    // The bucket counts on a monotonic clock, the header on the calendar.
    const resetAtMs = limited.receivedAtMs + token.resetAtMs - limited.startedAtMs
    headers.push(
      'x-ratelimit-limit',
      String(plan.rateLimitPerMinute),
      'x-ratelimit-remaining',
      String(token.remaining),
      'x-ratelimit-reset',
      String(Math.ceil(resetAtMs / 1_000)),
    )
    if (withDraft) appendDraft(plan.rateLimitPerMinute, token.remaining, resetAtMs - Date.now(), headers)
  }
  if (quota?.count && plan.requestsPerMonth > 0) appendQuota(plan, quota.count, headers)
}

function appendDraft(perMinute: number, remaining: number, untilResetMs: number, headers: string[]): void {
  const seconds = Math.max(0, Math.ceil(untilResetMs / 1_000))
  headers.push('ratelimit-policy', `"key";q=${perMinute};w=60`, 'ratelimit', `"key";r=${remaining};t=${seconds}`)
}

function appendQuota(plan: PlanConfig, count: QuotaCount, headers: string[]): void {
  const used = Math.max(0, count.used)
  headers.push(
    'x-quota-limit',
    String(plan.requestsPerMonth),
    'x-quota-used',
    String(used),
    'x-quota-remaining',
    String(Math.max(0, plan.requestsPerMonth - used)),
    'x-quota-reset',
    monthText(count.resetAtMs),
  )
  const warning = quotaWarning(used, plan)
  if (warning !== null) headers.push('x-quota-warning', warning)
}

let month = NaN
let text = ''

function monthText(resetAtMs: number): string {
  if (resetAtMs !== month) {
    month = resetAtMs
    text = new Date(resetAtMs).toISOString()
  }
  return text
}
