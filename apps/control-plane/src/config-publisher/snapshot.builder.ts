import { webcrypto } from 'node:crypto'
import type { SnapshotHeader, SnapshotPointer } from '@apigate/contracts'
import type { ConfigItem } from '@apigate/core'
import type { Prisma, PrismaClient } from '../persistence/generated/client.ts'
import { packLines, packRange, repackChunks, type Chunk, type Rest } from './snapshot.chunk.ts'
import { itemTables } from './snapshot.rows.ts'

/** The longest that a snapshot of the largest installation should take, with room. */
const transactionTimeoutMs = 15 * 60_000

export interface BuiltSnapshot {
  pointer: SnapshotPointer
  /** gzip of newline-delimited JSON, see `snapshot.v1`. */
  body: Uint8Array
  /** Lines behind the header. */
  items: number
}

/** What the last snapshot was made of: its chunks by table, in the order of `itemTables`. */
interface Kept {
  epoch: string
  revision: number
  tables: Chunk[][]
}

/** The whole configuration at one revision, read from nothing but the database. */
export function buildSnapshot(prisma: PrismaClient): Promise<BuiltSnapshot> {
  return new SnapshotBuilder(prisma).build()
}

/**
 * Makes snapshots. Every read is of one REPEATABLE READ transaction, so no write is half in it.
 *
 * It keeps the packed chunks of the last one, about as many bytes as its body has, and reads again only those whose rows were
 * changed since, as `config_changes` tells. It reads all of them when that does not tell everything: at first, in another
 * epoch, behind a log that was cut, and when the number of rows is not what it would be by the changes.
 */
export class SnapshotBuilder {
  readonly #prisma: PrismaClient
  readonly #rest: Rest
  #kept: Kept | null = null

  /** @param rest between what is read again; by default it does not rest. */
  constructor(prisma: PrismaClient, rest: Rest = () => Promise.resolve()) {
    this.#prisma = prisma
    this.#rest = rest
  }

  async build(): Promise<BuiltSnapshot> {
    return this.#prisma.$transaction((tx) => this.#build(tx), {
      isolationLevel: 'RepeatableRead',
      timeout: transactionTimeoutMs,
      maxWait: 30_000,
    })
  }

  /** The next one is made of what the database holds alone. */
  forget(): void {
    this.#kept = null
  }

  async #build(tx: Prisma.TransactionClient): Promise<BuiltSnapshot> {
    const head = await tx.configHead.findUniqueOrThrow({ where: { id: 1 } })
    const { epoch, revision } = { epoch: head.epoch, revision: Number(head.revision) }
    const atMs = Date.now()
    const tables = (await this.#changedTables(tx, epoch, revision)) ?? (await allTables(tx))
    const items = countItems(tables)
    const header: SnapshotHeader = { v: 1, epoch, revision, atMs, items }
    const body = Buffer.concat([await packLines([header]), ...tables.flat().map(({ packed }) => packed)])
    const sha256 = Buffer.from(await webcrypto.subtle.digest('SHA-256', body)).toString('hex')
    this.#kept = { epoch, revision, tables }
    return { pointer: { v: 1, epoch, revision, sha256, bytes: body.byteLength, atMs }, body, items }
  }

  /** Null when they cannot be made of what was kept. */
  async #changedTables(tx: Prisma.TransactionClient, epoch: string, revision: number): Promise<Chunk[][] | null> {
    const kept = this.#kept
    if (kept === null || kept.epoch !== epoch || kept.revision > revision) return null
    const changes = await tx.configChange.count({ where: { epoch, revision: { gt: kept.revision } } })
    if (changes !== revision - kept.revision) return null

    const changed = await changedIds(tx, kept.revision)
    const tables: Chunk[][] = []
    for (const [n, table] of itemTables.entries()) {
      const ids = changed.get(table.kind)
      const chunks = kept.tables[n]!
      tables.push(ids === undefined ? chunks : await repackChunks(tx, table, chunks, ids, this.#rest))
      if (countItems([tables[n]!]) !== (await table.count(tx))) return null
    }
    return tables
  }
}

async function allTables(tx: Prisma.TransactionClient): Promise<Chunk[][]> {
  const tables: Chunk[][] = []
  for (const table of itemTables) tables.push(await packRange(tx, table, '', null))
  return tables
}

/** What the changes behind a revision are of. */
async function changedIds(tx: Prisma.TransactionClient, after: number): Promise<Map<ConfigItem['kind'], string[]>> {
  const rows = await tx.$queryRaw<{ kind: ConfigItem['kind']; ids: string[] }[]>`
    SELECT kind, array_agg(id) AS ids FROM (
      SELECT DISTINCT item->>'kind' AS kind, coalesce(item->>'id', item->'value'->>'id') AS id
      FROM config_changes CROSS JOIN LATERAL jsonb_array_elements(items) AS item WHERE revision > ${after}
    ) changed GROUP BY kind`
  return new Map(rows.map(({ kind, ids }) => [kind, ids]))
}

function countItems(tables: readonly Chunk[][]): number {
  return tables.flat().reduce((sum, { items }) => sum + items, 0)
}
