import type { Pool } from 'pg'

/** Advisory lock of this work: one process at a time is enough. */
const upkeepLockKey = 4_701_202
/** Epochs of workers that are long gone and without gaps: nothing of them comes again, and the events guard themselves. */
const markDaysMax = 35

/**
 * Drops what the ledger need not keep: months of events and hourly sums that ended before the retention (daily sums and
 * the counts of periods stay), marks of workers that are long gone, ids of metered events.
 *
 * @param retentionMonths whole months that are kept besides the running one; 0: all.
 */
export async function tidyLedger(pool: Pool, retentionMonths: number): Promise<void> {
  const client = await pool.connect()
  let isBroken = true
  try {
    await client.query('BEGIN')
    const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS taken', [
      upkeepLockKey,
    ])
    if (rows[0]?.taken) {
      await client.query(
        `DELETE FROM usage_marks WHERE updated_at < now() - make_interval(days => $1)
         AND seen = int8multirange(int8range(1, upper(seen)))`,
        [markDaysMax],
      )
      if (retentionMonths > 0) await dropOld(client, retentionMonths)
    }
    await client.query('COMMIT')
    isBroken = false
  } finally {
    client.release(isBroken)
  }
}

async function dropOld(client: { query: Pool['query'] }, retentionMonths: number): Promise<void> {
  const { rows } = await client.query<{ first: string; name: string }>(
    `WITH kept AS (
       SELECT date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => $1) AS first
     )
     SELECT kept.first::text || 'Z' AS first, child.relname AS name
     FROM kept LEFT JOIN pg_class AS child
       ON child.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'usage_events'::regclass)
       AND child.relname ~ '^usage_events_\\d{4}_\\d{2}$'
       AND to_timestamp(right(child.relname, 7), 'YYYY_MM')::date < kept.first::date`,
    [retentionMonths],
  )
  for (const { name } of rows) if (name) await client.query(`DROP TABLE "${name}"`)
  const first = rows[0]?.first
  await client.query('DELETE FROM usage_events_default WHERE created_at < $1', [first])
  await client.query('DELETE FROM usage_hourly WHERE hour < $1', [first])
  await client.query('DELETE FROM usage_metered WHERE created_at < $1', [first])
  await client.query('DELETE FROM usage_refused WHERE created_at < $1', [first])
}
