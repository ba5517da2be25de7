import type { ChangeMessage } from '@apigate/contracts'
import type pg from 'pg'

/** A revision and the history that it belongs to. */
export type FeedPosition = Pick<ChangeMessage, 'epoch' | 'revision'>
/** A whole change, as it is before it is cut into parts. */
export type LoggedChange = Omit<ChangeMessage, 'v' | 'part' | 'parts'>

/** Where the database stands. */
export async function readHead(pool: pg.Pool): Promise<FeedPosition> {
  const { rows } = await pool.query<{ epoch: string; revision: string }>('SELECT epoch, revision FROM config_head')
  const row = rows[0]
  if (row === undefined) throw new Error('config_head has no row: the database is not migrated')
  return { epoch: row.epoch, revision: Number(row.revision) }
}

/** The next changes after a revision, in order; none when there are no more. */
export async function readChanges(pool: pg.Pool, after: number): Promise<LoggedChange[]> {
  const { rows } = await pool.query<{
    epoch: string
    revision: string
    items: LoggedChange['items']
    created_at: Date
  }>('SELECT epoch, revision, items, created_at FROM config_changes WHERE revision > $1 ORDER BY revision LIMIT 100', [
    after,
  ])
  return rows.map((row) => ({
    epoch: row.epoch,
    revision: Number(row.revision),
    items: row.items,
    atMs: row.created_at.getTime(),
  }))
}
