import type { Transaction } from './database.ts'
import { Prisma, type PrismaClient } from './generated/client.ts'

/** The large tables: their rows are counted as they come and go. */
export const countedTables = ['api_keys', 'users', 'audit_events'] as const

/** Rows of a counted table that were made from one mark on (null: from the beginning) up to the next. */
export interface Part {
  since: Date | null
  rows: number
}

/** The parts of a counted table that have rows, in the order of creation. Exact: see decision 13. */
export async function readParts(prisma: Transaction, table: string): Promise<Part[]> {
  const parts = await prisma.$queryRaw<{ since: Date | null; rows: bigint }[]>`
    SELECT since, sum(rows)::bigint AS rows FROM row_counts WHERE counted = ${table}
    GROUP BY since HAVING sum(rows) <> 0 ORDER BY since NULLS FIRST`
  return parts.map(({ since, rows }) => ({ since, rows: Number(rows) }))
}

export function rowsOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { rows }) => sum + rows, 0)
}

/**
 * The part that a place of a list is in, if the list has the order of creation: conditions of where it begins, and how many
 * rows lie before that.
 */
export function startNear(
  parts: readonly Part[],
  [first, second, ...more]: readonly object[],
  place: number,
): { where: object[]; before: number } {
  const { createdAt: direction } = (first ?? {}) as { createdAt?: 'asc' | 'desc' }
  const isCreation = direction !== undefined && (second as { id?: string })?.id === direction && more.length === 0
  let before = 0
  if (!isCreation) return { where: [], before }
  let until: Date | null = null
  for (const part of direction === 'asc' ? parts : parts.toReversed()) {
    if (before + part.rows > place) {
      const begin = direction === 'asc' ? part.since && { gte: part.since } : until && { lt: until }
      return { where: begin ? [{ createdAt: begin }] : [], before }
    }
    before += part.rows
    until = part.since
  }
  return { where: [], before: 0 }
}

/** A part with more rows than this is divided, into parts of half as many. */
const rowsMax = 20_000
const rowsOfPart = rowsMax / 2
/** Rows that one step divides: writers wait for as long as it takes to count them. */
const stepRowsMax = 200_000
/** For how long writers may have to wait behind one that waits for the table. */
const lockMsMax = 200

/**
 * Divides the largest part of a counted table that is too large and can be divided, from its end, and joins those that became
 * empty with the one before. Rows that were made in one instant are never divided.
 *
 * @returns whether something changed, so that there may be more to do
 * @throws when writers do not let go of the table in time: later is as good
 */
export async function divideParts(prisma: PrismaClient, counted: string): Promise<boolean> {
  const marks = await readMarks(prisma, counted)
  const parts = await readParts(prisma, counted)
  const kept = marks.filter((mark) => parts.some(({ since }) => since?.getTime() === mark.getTime()))
  const division = await divisionOf(prisma, counted, parts, marks)
  if (division === null && kept.length === marks.length) return false

  const next = [...kept, ...(division?.added ?? [])].toSorted((a, b) => a.getTime() - b.getTime())
  return prisma.$transaction(async (tx) => {
    await tx.$executeRaw`SELECT set_config('lock_timeout', ${`${lockMsMax}ms`}, true)`
    // Keeps out writers and others who divide; readers go on.
    await tx.$executeRaw`LOCK TABLE ${tableOf(counted)} IN SHARE ROW EXCLUSIVE MODE`
    if (JSON.stringify(await readMarks(tx, counted)) !== JSON.stringify(marks)) return false
    await tx.$executeRaw`UPDATE row_marks SET since = ${next} WHERE counted = ${counted}`
    if (division !== null) {
      await tx.$executeRaw`
        WITH taken AS (
          INSERT INTO row_counts (counted, since, rows)
          SELECT ${counted}, marks.since[width_bucket(row.created_at, marks.since)], count(*)
          FROM ${tableOf(counted)} AS row, (SELECT since FROM row_marks WHERE counted = ${counted}) AS marks
          WHERE row.created_at >= ${division.added[0]} ${before(division.until)} GROUP BY 2
          RETURNING rows
        )
        INSERT INTO row_counts (counted, since, rows)
        SELECT ${counted}, ${division.since}::timestamptz, -sum(rows) FROM taken HAVING count(*) > 0`
    }
    await tx.$executeRaw`
      UPDATE row_counts SET since = marks.since[width_bucket(row_counts.since, marks.since)]
      FROM row_marks AS marks
      WHERE marks.counted = ${counted} AND row_counts.counted = ${counted} AND row_counts.since IS NOT NULL
        AND row_counts.since <> ALL (marks.since)`
    return true
  })
}

/** How a part is divided. */
interface Division {
  since: Date | null
  /** Where the next part begins; undefined: there is none. */
  until: Date | undefined
  /** Within it, in ascending order. */
  added: Date[]
}

/** Null when there is no part that is too large, or of each most rows were made in one instant. */
async function divisionOf(
  prisma: PrismaClient,
  counted: string,
  parts: readonly Part[],
  marks: readonly Date[],
): Promise<Division | null> {
  const large = parts.filter(({ rows }) => rows > rowsMax).toSorted((a, b) => b.rows - a.rows)
  for (const { since, rows } of large) {
    const until = marks.find((mark) => since === null || mark > since)
    const found = await prisma.$queryRaw<{ mark: Date }[]>`
      SELECT DISTINCT created_at AS mark FROM (
        SELECT created_at, row_number() OVER (ORDER BY created_at DESC) AS number FROM (
          SELECT created_at FROM ${tableOf(counted)}
          WHERE ${since === null ? marksFrom : Prisma.sql`created_at > ${since}`} ${before(until ?? marksEnd)}
          ORDER BY created_at DESC LIMIT ${stepRowsMax}
        ) AS near
      ) AS numbered WHERE number % ${rowsOfPart} = 0 AND number <= ${rows - rowsOfPart / 2} ORDER BY 1`
    if (found.length > 0) return { since, until, added: found.map(({ mark }) => mark) }
  }
  return null
}

function tableOf(counted: string): Prisma.Sql {
  return Prisma.raw(`"${counted}"`)
}

function before(instant: Date | undefined): Prisma.Sql {
  return instant === undefined ? Prisma.empty : Prisma.sql`AND created_at < ${instant}`
}

/** PostgreSQL knows instants beyond what a Date or its text can be: rows of such are counted, and no part begins there. */
const marksFrom = Prisma.sql`created_at >= '0001-01-01 00:00Z'`
const marksEnd = new Date('9999-12-31')

async function readMarks(prisma: Transaction, counted: string): Promise<Date[]> {
  return (await prisma.rowMarks.findUniqueOrThrow({ where: { counted } })).since
}
