import { snapshotPointerSchema, type SnapshotPointer } from '@apigate/contracts'
import type pg from 'pg'

/** Pointer of the newest of `config_snapshots` of the present epoch. */
export async function readPointer(pool: pg.Pool): Promise<SnapshotPointer | null> {
  const { rows } = await pool.query<Record<string, unknown>>(
    `SELECT epoch, revision::float8 AS revision, sha256, bytes, extract(epoch FROM created_at)::float8 * 1000 AS "atMs"
     FROM config_snapshots WHERE epoch = (SELECT epoch FROM config_head) ORDER BY config_snapshots.revision DESC LIMIT 1`,
  )
  const row = rows[0]
  return row === undefined ? null : snapshotPointerSchema.parse({ v: 1, ...row, atMs: Math.round(Number(row['atMs'])) })
}

/** The body in slices, so that a large one is never whole in memory; it is stored uncompressed, so slicing is cheap. */
export async function* readBody(pool: pg.Pool, pointer: SnapshotPointer): AsyncGenerator<Uint8Array, void> {
  const sliceBytes = 1024 * 1024
  for (let offset = 0; offset < pointer.bytes; offset += sliceBytes) {
    const { rows } = await pool.query<{ slice: Buffer }>(
      'SELECT substring(body FROM $3 FOR $4) AS slice FROM config_snapshots WHERE epoch = $1 AND revision = $2',
      [pointer.epoch, pointer.revision, offset + 1, sliceBytes],
    )
    const slice = rows[0]?.slice
    if (slice === undefined) throw new Error(`snapshot ${pointer.revision} was replaced while it was read`)
    yield slice
  }
}
