import type { Answer } from './webhook.sender.ts'

/** What becomes of a delivery after an attempt. */
export type Verdict = { status: 'delivered' } | { status: 'failed' } | { status: 'pending'; nextAttemptAtMs: number }

/** After the first attempt, the second and so on: a receiver may be down for an hour, or for half a day. */
const pausesMs = [60_000, 300_000, 1_800_000, 7_200_000, 43_200_000]
/** Added to a pause, at most so much of it: what failed together should not come back together. */
const jitter = 0.2
const retryAfterMsMax = 3_600_000

/**
 * Done by a 2xx. Tried again when there was no answer and for 408, 429 and 5xx; 429 and 503 may ask for more patience by
 * `Retry-After`, up to an hour. Every other answer ends it: the same request would be answered the same.
 *
 * @param attempts this one included. @param random from [0, 1)
 */
export function verdict(answer: Answer, attempts: number, nowMs: number, random: number): Verdict {
  const { statusCode, refused } = answer
  if (statusCode !== null && statusCode >= 200 && statusCode < 300) return { status: 'delivered' }
  const pauseMs = pausesMs[attempts - 1]
  if (refused || !isDown(answer) || pauseMs === undefined) return { status: 'failed' }
  const asked = statusCode === 429 || statusCode === 503 ? retryAfterMs(answer.retryAfter, nowMs) : 0
  return { status: 'pending', nextAttemptAtMs: nowMs + Math.max(asked, Math.round(pauseMs * (1 + jitter * random))) }
}

/** Whether it is about the receiver, and not about what it was sent. */
export function isDown({ statusCode }: Answer): boolean {
  return statusCode === null || statusCode === 408 || statusCode === 429 || statusCode >= 500
}

/** Seconds or a date (RFC 9110 §10.2.3); 0 for anything else. */
function retryAfterMs(text: string | null, nowMs: number): number {
  if (text === null) return 0
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * 1_000 : Date.parse(text) - nowMs
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), retryAfterMsMax)
}
