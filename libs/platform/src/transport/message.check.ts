import type { Logger } from '../logger.ts'

/** Of a zod schema, the part that is needed here. */
export interface Schema<T> {
  safeParse(
    value: unknown,
  ):
    | { success: true; data: T }
    | { success: false; error: Error & { issues?: readonly { path: readonly PropertyKey[] }[] } }
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
  const version = typeof value === 'object' && value !== null && 'v' in value ? value.v : undefined
  const isOfAnother = result.error.issues?.some(({ path }) => path[0] === 'v') ?? false
  // The sender is newer: docs/upgrade.md.
  if (isOfAnother && typeof version === 'number') {
    log.warn({ source, version }, 'dropped a message of a contract version that this process does not know')
    return null
  }
  log.warn({ source, problem: result.error.message }, 'dropped a message that does not follow its contract')
  return null
}
