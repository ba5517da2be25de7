import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { ConfigItem } from '@apigate/core'
import type { Prisma } from '../persistence/generated/client.ts'
import type { ItemTable, KeptItem } from './snapshot.rows.ts'

/** Rows of a chunk as it is made; a change reads so many again. */
export const chunkItems = 256
/** A chunk with fewer is read again with its neighbour, so that full ones that grow leave no crumbs. */
const fewItems = chunkItems / 4
/** How many may wait for the compressor. */
const packingMax = 8

/** Some neighbouring rows of a table, packed. */
export interface Chunk {
  /** It holds the ids from here to where the next one begins; the first of a table begins at the empty text. */
  from: string
  items: number
  /** A gzip member of newline-delimited JSON; members one after another are one gzip file (RFC 1952). */
  packed: Buffer
}

/** The rows of a table from an id to below another (null: to the end), in at least one chunk. */
export async function packRange(
  tx: Prisma.TransactionClient,
  table: ItemTable,
  from: string,
  until: string | null,
): Promise<Chunk[]> {
  const packing: Promise<Chunk>[] = []
  let first = from
  let rows: KeptItem[] = []
  for await (const batch of table.read(tx, from, until)) {
    for (const row of batch) {
      if (rows.length === chunkItems) {
        packing.push(pack(first, rows))
        first = row.id
        rows = []
        await packing.at(-packingMax)
      }
      rows.push(row)
    }
  }
  packing.push(pack(first, rows))
  return Promise.all(packing)
}

/** Is told how long a piece of work took, and says when the next one may begin. */
export type Rest = (workedMs: number) => Promise<void>

/** The chunks of a table after changes of some ids: only those that hold one of them are read again. */
export async function repackChunks(
  tx: Prisma.TransactionClient,
  table: ItemTable,
  chunks: readonly Chunk[],
  changed: string[],
  rest: Rest,
): Promise<Chunk[]> {
  const touched = await touchedChunks(tx, chunks, changed)
  const repacked: Chunk[] = []
  for (let n = 0; n < chunks.length; n++) {
    const chunk = chunks[n]!
    if (!touched.has(n)) {
      repacked.push(chunk)
      continue
    }
    while (touched.has(n + 1)) n++
    const beganMs = performance.now()
    repacked.push(...(await packRange(tx, table, chunk.from, chunks[n + 1]?.from ?? null)))
    await rest(performance.now() - beganMs)
  }
  return repacked
}

/** By place. PostgreSQL says where an id belongs, since its collation is what rows are read by. */
async function touchedChunks(
  tx: Prisma.TransactionClient,
  chunks: readonly Chunk[],
  changed: string[],
): Promise<Set<number>> {
  const touched = new Set<number>()
  const rows = await tx.$queryRaw<{ place: number }[]>`
    SELECT DISTINCT width_bucket(id, ${chunks.map(({ from }) => from)}::text[]) - 1 AS place
    FROM unnest(${changed}::text[]) AS id`
  for (const { place } of rows) {
    touched.add(place)
    const [before, behind] = [place - 1, place + 1]
    if (before >= 0 && chunks[place]!.items < fewItems) touched.add(before)
    if (behind < chunks.length && chunks[behind]!.items < fewItems) touched.add(behind)
  }
  return touched
}

const compress = promisify(gzip)

async function pack(from: string, rows: KeptItem[]): Promise<Chunk> {
  if (rows.length === 0) return { from, items: 0, packed: Buffer.alloc(0) }
  // Digests do not compress; beyond a low level only time is spent.
  return { from, items: rows.length, packed: await packLines(rows.map(({ item }) => item)) }
}

export function packLines(lines: (ConfigItem | object)[]): Promise<Buffer> {
  return compress(lines.map((line) => `${JSON.stringify(line)}\n`).join(''), { level: 1 })
}
