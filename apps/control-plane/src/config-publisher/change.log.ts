import type { ConfigItem } from '@apigate/core'
import type pg from 'pg'

export interface FeedPosition {
  epoch: string
  revision: number
}

export interface LoggedChange extends FeedPosition {
  items: ConfigItem[]
  atMs: number
}

const batchRows = 100

/** Where the database stands. */
export async function readPosition(pool: pg.Pool): Promise<FeedPosition> {
  const { rows } = await pool.query<{ epoch: string; revision: string }>('SELECT epoch, revision FROM config_head')
  const row = rows[0]
  if (row === undefined) throw new Error('config_head has no row: the database is not migrated')
  return { epoch: row.epoch, revision: Number(row.revision) }
}

/** The next changes after a revision, in order; fewer than there are when there are many. */
export async function readChanges(pool: pg.Pool, after: number): Promise<LoggedChange[]> {
  const { rows } = await pool.query<{ epoch: string; revision: string; items: ConfigItem[]; created_at: Date }>(
    `SELECT epoch, revision, items, created_at FROM config_changes WHERE revision > $1 ORDER BY revision LIMIT ${batchRows}`,
    [after],
  )
  return rows.map((row) => ({
    epoch: row.epoch,
    revision: Number(row.revision),
    items: row.items,
    atMs: row.created_at.getTime(),
  }))
}

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
