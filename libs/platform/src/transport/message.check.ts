import type { Logger } from '../logger.ts'

/** Of a zod schema, the part that is needed here. */
export interface Schema<T> {
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
