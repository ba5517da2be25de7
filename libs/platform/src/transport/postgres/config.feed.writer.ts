import { channels, type SnapshotPointer } from '@apigate/contracts'
import type pg from 'pg'
import type { ConfigFeedWriter, FeedHead } from '../transport.ts'
import { readHead } from './change.log.ts'
import { openPool } from './pool.ts'
import { readPointer } from './snapshot.table.ts'

/**
 * The publisher's side in embedded mode. Readers read `config_changes` themselves, woken by the NOTIFY of the write, so
 * that the feed's head is the database's own and no change has to be published.
 */
export class PostgresConfigFeedWriter implements ConfigFeedWriter {
  readonly #pool: pg.Pool

  constructor(databaseUrl: string) {
    this.#pool = openPool(databaseUrl, 2)
  }

  async head(): Promise<FeedHead> {
    return { ...(await readHead(this.#pool)), change: null }
  }

  snapshotHead(): Promise<SnapshotPointer | null> {
    return readPointer(this.#pool)
  }

  publishChange(): Promise<void> {
    return Promise.resolve()
  }

  async putSnapshot(pointer: SnapshotPointer, body: Uint8Array): Promise<void> {
    const { epoch, revision, sha256, bytes, atMs } = pointer
    const client = await this.#pool.connect()
    try {
      await client.query('BEGIN')
      await client.query(
        `INSERT INTO config_snapshots (epoch, revision, sha256, bytes, body, created_at)
         VALUES ($1, $2, $3, $4, $5, to_timestamp($6::float8 / 1000)) ON CONFLICT (epoch, revision) DO NOTHING`,
        [epoch, revision, sha256, bytes, Buffer.from(body.buffer, body.byteOffset, body.byteLength), atMs],
      )
      await client.query(
        `DELETE FROM config_snapshots WHERE (epoch, revision) NOT IN
           (SELECT epoch, revision FROM config_snapshots ORDER BY epoch = $1 DESC, revision DESC LIMIT 2)`,
        [epoch],
      )
      await client.query('SELECT pg_notify($1, $2)', [channels.snapshot, JSON.stringify(pointer)])
      await client.query('COMMIT')
      client.release()
    } catch (error) {
      // Ends the connection, and with it the transaction.
      client.release(true)
      throw error
    }
  }

  async close(): Promise<void> {
    if (!this.#pool.ending) await this.#pool.end()
  }
}
