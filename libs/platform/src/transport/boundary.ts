import { createHash } from 'node:crypto'
import type { SnapshotPointer } from '@apigate/contracts'
import type { Logger } from '../logger.ts'

/** Of a zod schema, the part that is needed here. */
interface Schema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false; error: Error }
}

/** A message as its contract says, or null: one bad message (an old sender, a stray publisher) must not end a process. */
export function parseMessage<T>(schema: Schema<T>, json: string, source: string, log: Logger): T | null {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    log.warn({ source }, 'dropped a message that is not JSON')
    return null
  }
  return checkMessage(schema, value, source, log)
}

/** The same for a message that is parsed already. */
export function checkMessage<T>(schema: Schema<T>, value: unknown, source: string, log: Logger): T | null {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  log.warn({ source, problem: result.error.message }, 'dropped a message that does not follow its contract')
  return null
}

/** Passes a snapshot's body on and checks it against its pointer; throws after the last chunk when it is not the same. */
export async function* checkBody(
  pointer: SnapshotPointer,
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of body) {
    hash.update(chunk)
    bytes += chunk.byteLength
    yield chunk
  }
  if (bytes !== pointer.bytes || hash.digest('hex') !== pointer.sha256) {
    throw new Error(`the body of snapshot ${pointer.revision} is damaged: ${bytes} of ${pointer.bytes} bytes`)
  }
}

/** A warning at most every ten seconds, with the number of those left out: an outage must not flood the log. */
export function throttledWarning(log: Logger, message: string): (error: unknown) => void {
  let lastMs = -Infinity
  let left = 0
  return (error) => {
    if (performance.now() - lastMs < 10_000) {
      left += 1
      return
    }
    log.warn({ err: error, leftOut: left }, message)
    lastMs = performance.now()
    left = 0
  }
}

/** Milliseconds before attempt `attempt` (from 0): 100 ms doubling to 5 s, each with up to a quarter of jitter. */
export function backoffMs(attempt: number): number {
  return Math.min(100 * 2 ** Math.min(attempt, 10), 5_000) * (1 + Math.random() / 4)
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
