import type { Pool } from 'pg'

/** Advisory lock of this work: two processes that make the same partition would fail each other. */
const partitionLockKey = 4_701_201

/** Makes the ledger's partitions of this month (UTC) and the two after it; does nothing where they are there. */
export async function ensureUsagePartitions(pool: Pool): Promise<void> {
  // One simple query is one transaction, at whose end the lock is given back.
  await pool.query(
    `SELECT pg_advisory_xact_lock(${partitionLockKey}); SELECT apigate_ensure_usage_partitions(now(), 2)`,
  )
}
