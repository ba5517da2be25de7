import type { Logger } from '../logger.ts'

/** A line at most every ten seconds, with the number of those left out: an outage must not flood the log. */
export function throttled(log: Logger, level: 'warn' | 'error', message: string): (error: unknown) => void {
  let lastMs = -Infinity
  let left = 0
  return (error) => {
    if (performance.now() - lastMs < 10_000) {
      left += 1
      return
    }
    log[level]({ err: error, leftOut: left }, message)
    lastMs = performance.now()
    left = 0
  }
}

/** Whole milliseconds before attempt `attempt` (from 0): 100 ms doubling to 5 s, each with up to a quarter of jitter. */
export function backoffMs(attempt: number): number {
  return Math.round(Math.min(100 * 2 ** Math.min(attempt, 10), 5_000) * (1 + Math.random() / 4))
}

/** The promise's outcome, or an error with this message when the time is up first. */
export async function within<T>(timeoutMs: number, promise: Promise<T>, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), timeoutMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves when the signal is, or was, aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
