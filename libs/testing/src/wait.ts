import { setTimeout as delay } from 'node:timers/promises'

export interface WaitOptions {
  /** Default 5000. */
  timeoutMs?: number
  /** What is waited for, for the message. */
  what?: string
}

/**
 * Asks every few milliseconds until the condition is truthy, and returns its value. A condition that throws counts as not
 * yet true, so that an `expect` may stand in it (which must then return something truthy).
 *
 * @throws when the time is up, with the last error as cause.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 5_000, what = 'the condition' }: WaitOptions = {},
): Promise<NonNullable<T>> {
  const deadlineMs = performance.now() + timeoutMs
  let cause: unknown
  for (;;) {
    try {
      const value = await condition()
      if (value) return value
      cause = undefined
    } catch (error) {
      cause = error
    }
    if (performance.now() > deadlineMs) throw new Error(`${what} did not come true in ${timeoutMs} ms`, { cause })
    await delay(5)
  }
}
