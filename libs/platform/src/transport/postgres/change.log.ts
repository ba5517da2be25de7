import type { ChangeMessage } from '@apigate/contracts'
import type pg from 'pg'

/** A revision and the history that it belongs to. */
export type FeedPosition = Pick<ChangeMessage, 'epoch' | 'revision'>

/**
 * About this much JSON is in a part, and one item more: a part is parsed in a millisecond, and with the largest item that a
 * write may make it stays below the 1 MiB that NATS takes.
 */
export const partBytes = 128 * 1024
/** Of one item; larger ones are refused when they are written. */
export const itemBytesMax = 512 * 1024
/** Compressed size after which no further change is read at once. */
const readBytes = 1024 * 1024

/** Where the database stands. */
export async function readHead(pool: pg.Pool): Promise<FeedPosition> {
  const { rows } = await pool.query<{ epoch: string; revision: string }>('SELECT epoch, revision FROM config_head')
  const row = rows[0]
  if (row === undefined) throw new Error('config_head has no row: the database is not migrated')
  return { epoch: row.epoch, revision: Number(row.revision) }
}

/**
 * The next changes after a revision, whole, each in the parts in which it travels; none when there are no more. PostgreSQL
 * cuts them, the same change always into the same parts: a revision of ten thousand items is megabytes of JSON, which read in
 * one piece would stop everything else in this process.
 */
export async function readChanges(pool: pg.Pool, after: number): Promise<ChangeMessage[]> {
  const { rows } = await pool.query<{
    epoch: string
    revision: string
    created_at: Date
    part: number
    parts: number
    items: ChangeMessage['items']
    traceparent: string | null
  }>({ name: 'read-config-changes', text: readText, values: [after, partBytes, readBytes] })
  return rows.map((row) => ({
    ...{ v: 1, epoch: row.epoch, revision: Number(row.revision), part: row.part, parts: row.parts },
    ...{ atMs: row.created_at.getTime(), items: row.items },
    ...(row.traceparent !== null && { traceparent: row.traceparent }),
  }))
}

// Prepared: to plan it takes PostgreSQL four times as long as to run it for one change.
const readText = `WITH next AS (
       SELECT *, sum(bytes) OVER (ORDER BY revision) - bytes AS before FROM (
         SELECT revision, epoch, created_at, items, traceparent, pg_column_size(items) AS bytes
         FROM config_changes WHERE revision > $1 ORDER BY revision LIMIT 100
       ) changes
     ), item AS (
       SELECT next.revision, n, item,
         (sum(octet_length(item)) OVER (PARTITION BY next.revision ORDER BY n) - 1) / $2::bigint AS cut
       FROM next CROSS JOIN LATERAL (
         SELECT value::text AS item, n FROM jsonb_array_elements(items) WITH ORDINALITY AS element (value, n)
       ) items WHERE before < $3
     ), part AS (
       SELECT revision, (row_number() OVER (PARTITION BY revision ORDER BY cut) - 1)::int AS part,
         (count(*) OVER (PARTITION BY revision))::int AS parts,
         ('[' || string_agg(item, ',' ORDER BY n) || ']')::json AS items
       FROM item GROUP BY revision, cut
     )
     SELECT epoch, next.revision, created_at, coalesce(part, 0) AS part, coalesce(parts, 1) AS parts,
       coalesce(part.items, '[]') AS items, traceparent
     FROM next LEFT JOIN part USING (revision) WHERE before < $3 ORDER BY next.revision, part`

/** Forgets the changes up to a revision: workers that are behind it start from a snapshot. */
export async function trimChanges(pool: pg.Pool, revision: number): Promise<void> {
  await pool.query('DELETE FROM config_changes WHERE revision <= $1', [revision])
}
