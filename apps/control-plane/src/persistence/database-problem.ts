/** What PostgreSQL, or the way to it, objects to. */
export type DatabaseProblem =
  | { kind: 'unique'; column: string }
  | { kind: 'reference'; column: string }
  /** Lost against another transaction; the same one tried again may well commit. */
  | { kind: 'lost' }
  | { kind: 'unavailable' }

/** Prisma and Node: not reachable, or a wait for a connection or a lock that ended. */
const unavailableCodes =
  /^(P1001|P1002|P1003|P1008|P1017|P2024|P2028|P2037|ECONN\w+|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|EHOSTUNREACH)$/
/**
 * SQLSTATE: connection lost, server starting or stopping, out of disk, memory or connections, a standby that only reads, no
 * such database, cancelled.
 */
const unavailableStates = /^(08...|57P0.|53...|25006|3D000|55P03|57014)$/
/** A deadlock or a serialisation failure: SQLSTATE, and Prisma's name for both. */
const lostCodes = /^(40001|40P01|P2034)$/
/** pg and its pool have no code for these. */
const unavailableMessages = /timeout exceeded when trying to connect|Connection terminated|is not queryable/

/**
 * Tells from an error of Prisma or pg what a client can be told. Constraints are named `<table>_<column>_key`, `_fkey` and
 * `<table>_pkey` throughout.
 *
 * @returns null for an error that is none of this.
 */
export function databaseProblem(error: unknown): DatabaseProblem | null {
  const { code = '', message = '', meta, constraint = '', table = '' } = error as PrismaError & PgError
  const cause = meta?.driverAdapterError?.cause
  const state = cause?.originalCode ?? code
  const index = cause?.constraint?.index ?? constraint
  if (state === '23505') return { kind: 'unique', column: columnOf(index, cause?.table ?? table) }
  // RESTRICT has a state of its own since PostgreSQL 18.
  if (state === '23503' || state === '23001')
    return { kind: 'reference', column: /([a-z]+_id)_fkey$/.exec(index)?.[1] ?? '' }
  if (lostCodes.test(state) || lostCodes.test(code)) return { kind: 'lost' }
  const unavailable =
    unavailableCodes.test(code) ||
    unavailableStates.test(state) ||
    cause?.kind === 'DatabaseNotReachable' ||
    unavailableMessages.test(message)
  return unavailable ? { kind: 'unavailable' } : null
}

function columnOf(index: string, table: string): string {
  const name = index.startsWith(`${table}_`) ? index.slice(table.length + 1) : ''
  return name === 'pkey' ? 'id' : name.replace(/_key$/, '')
}

interface PrismaError {
  code?: string
  message?: string
  meta?: {
    driverAdapterError?: {
      cause?: { kind?: string; originalCode?: string; table?: string; constraint?: { index?: string } }
    }
  }
}

interface PgError {
  constraint?: string
  table?: string
}
