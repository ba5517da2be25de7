import type { PlanConfig } from '../model.ts'

/**
 * A token bucket's arithmetic on plain numbers, so that a caller keeps a million buckets in typed arrays.
 *
 * The level counts 60,000ths of a token: at `ratePerMinute` tokens a minute, exactly `ratePerMinute` of them flow in each
 * millisecond. With whole milliseconds every step is integer arithmetic, exact in a double up to 150 billion tokens, so
 * that nothing drifts however often the bucket is asked.
 *
 * Time: `updatedAtMs` is the latest time seen. A clock that steps back mints nothing and the bucket waits until it has
 * caught up; feed it a monotonic clock. Over any sequence of calls, admitted ≤ capacity + rate × (latest − first time).
 */
export const levelPerToken = 60_000

export interface TokenDecision {
  admitted: boolean
  /** New state: keep both. */
  level: number
  updatedAtMs: number
  /** Whole tokens left; Infinity when unlimited. */
  remaining: number
  /** Until the next token is there; 0 when admitted. */
  retryAfterMs: number
  /** When the bucket is full again. */
  resetAtMs: number
}

/** Tokens that the plan's bucket holds. At least 1: a bucket that cannot hold a token would refuse what the rate grants. */
export function bucketCapacity(plan: Pick<PlanConfig, 'rateLimitPerMinute' | 'burst'>): number {
  return Math.max(1, plan.burst ?? plan.rateLimitPerMinute)
}

/** The level of a bucket that nobody has used. */
export function fullLevel(capacity: number): number {
  return capacity * levelPerToken
}

/**
 * Takes one token if there is one; a refusal takes nothing. `capacity` in tokens, `ratePerMinute` in tokens (0 =
 * unlimited), `level` and `updatedAtMs` as the last decision gave them, times in whole milliseconds. A level above the
 * capacity (the plan became smaller) is cut to it.
 */
export function takeToken(
  capacity: number,
  ratePerMinute: number,
  level: number,
  updatedAtMs: number,
  nowMs: number,
): TokenDecision {
  const latestMs = Math.max(updatedAtMs, nowMs)
  if (ratePerMinute === 0) {
    return { admitted: true, level, updatedAtMs: latestMs, remaining: Infinity, retryAfterMs: 0, resetAtMs: latestMs }
  }
  const full = capacity * levelPerToken
  const refilled = Math.min(full, level + (latestMs - updatedAtMs) * ratePerMinute)
  const admitted = refilled >= levelPerToken
  const left = admitted ? refilled - levelPerToken : refilled
  return {
    admitted,
    level: left,
    updatedAtMs: latestMs,
    remaining: Math.floor(left / levelPerToken),
    retryAfterMs: admitted ? 0 : latestMs - nowMs + Math.ceil((levelPerToken - refilled) / ratePerMinute),
    resetAtMs: latestMs + Math.ceil((full - left) / ratePerMinute),
  }
}
