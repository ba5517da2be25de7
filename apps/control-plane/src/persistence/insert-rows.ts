import type { Transaction } from './database.ts'

/** So that the event loop is not held by the JSON of a large batch. */
const sliceRows = 500

/**
 * Inserts rows by their Prisma field names, thousands in a second: Prisma's `createMany` takes 0.3 ms of the event loop a
 * row, in one piece for the whole batch. All rows must have the same fields; a column that they lack gets its default.
 */
export async function insertRows(
  tx: Transaction,
  table: 'api_keys' | 'audit_events',
  rows: readonly object[],
): Promise<void> {
  const columns = Object.keys(rows[0] ?? {})
    .map((field) => `"${columnOf(field)}"`)
    .join(', ')
  const sql = `INSERT INTO ${table} (${columns}) SELECT ${columns} FROM jsonb_populate_recordset(NULL::${table}, $1::jsonb)`
  for (let from = 0; from < rows.length; from += sliceRows) {
    const slice = rows.slice(from, from + sliceRows).map(byColumn)
    await tx.$executeRawUnsafe(sql, JSON.stringify(slice))
  }
}

function byColumn(row: object): object {
  return Object.fromEntries(
    Object.entries(row).map(([field, value]: [string, unknown]) => [columnOf(field), columnValue(value)]),
  )
}

function columnOf(field: string): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function columnValue(value: unknown): unknown {
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`
  return typeof value === 'bigint' ? String(value) : value
}
