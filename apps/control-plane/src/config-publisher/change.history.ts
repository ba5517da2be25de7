import type pg from 'pg'

/** Whether the log has another change under this number. One that it no longer has is not another. */
export async function isAnother(pool: pg.Pool, change: { revision: number; atMs: number }): Promise<boolean> {
  const { rows } = await pool.query<{ created_at: Date }>('SELECT created_at FROM config_changes WHERE revision = $1', [
    change.revision,
  ])
  return rows[0] !== undefined && rows[0].created_at.getTime() !== change.atMs
}

/** Ends one history of revisions and begins another, so that no worker takes one for the other. */
export async function beginEpoch(pool: pg.Pool): Promise<void> {
  await pool.query('UPDATE config_head SET epoch = gen_random_uuid()')
}
