import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { SnapshotHeader, SnapshotPointer } from '@apigate/contracts'
import type { ConfigItem } from '@apigate/core'
import { Prisma, type PrismaClient } from '../persistence/generated/client.ts'
import {
  groupItem,
  keyItem,
  planItem,
  routeItem,
  upstreamItem,
  userItem,
  type KeyRow,
  type UserRow,
} from './config.item.ts'

/** The longest that a snapshot of the largest installation should take, with room. */
const transactionTimeoutMs = 15 * 60_000
const batchRows = 2_000

export interface BuiltSnapshot {
  pointer: SnapshotPointer
  /** gzip of newline-delimited JSON, see `snapshot.v1`. */
  body: Uint8Array
}

/**
 * The whole configuration at one revision: every read is of one REPEATABLE READ transaction, so no write is half in it.
 * Rows are read in batches by id and go straight into the compressor; only the compressed body is held in memory.
 */
export async function buildSnapshot(prisma: PrismaClient): Promise<BuiltSnapshot> {
  return prisma.$transaction(
    async (tx) => {
      const head = await tx.configHead.findUniqueOrThrow({ where: { id: 1 } })
      const revision = Number(head.revision)
      const atMs = Date.now()
      const header: SnapshotHeader = { v: 1, epoch: head.epoch, revision, atMs, items: await countItems(tx) }
      const body = await compress(lines(tx, header))
      const sha256 = createHash('sha256').update(body).digest('hex')
      return { pointer: { v: 1, epoch: head.epoch, revision, sha256, bytes: body.byteLength, atMs }, body }
    },
    { isolationLevel: 'RepeatableRead', timeout: transactionTimeoutMs, maxWait: 30_000 },
  )
}

async function countItems(tx: Prisma.TransactionClient): Promise<number> {
  const counts = [
    await tx.plan.count(),
    await tx.user.count(),
    await tx.group.count(),
    await tx.upstream.count(),
    await tx.route.count(),
    await tx.apiKey.count(),
  ]
  return counts.reduce((sum, count) => sum + count, 0)
}

/** A batch's lines in one string: a write a line would cost the compressor more than the compression. */
async function* lines(tx: Prisma.TransactionClient, header: SnapshotHeader): AsyncGenerator<string, void> {
  yield `${JSON.stringify(header)}\n`
  for await (const batch of batches(tx)) yield batch.map((item) => `${JSON.stringify(item)}\n`).join('')
}

/** In the order of the contract: what is referred to comes before what refers to it. */
async function* batches(tx: Prisma.TransactionClient): AsyncGenerator<ConfigItem[], void> {
  yield* byId((page) => tx.plan.findMany(page), planItem)
  yield* manyById(tx, users, (row) => userItem(row as UserRow))
  yield* byId((page) => tx.group.findMany({ ...page, select: { id: true, status: true, planId: true } }), groupItem)
  yield* byId((page) => tx.upstream.findMany(page), upstreamItem)
  yield* byId((page) => tx.route.findMany(page), routeItem)
  yield* manyById(tx, keys, (row) => keyItem(keyRow(row as KeyAsJson)))
}

const users = Prisma.sql`id, status, plan_id AS "planId" FROM users`
const keys = Prisma.sql`
  id, encode(digest, 'base64') AS digest, prefix, user_id AS "userId", group_id AS "groupId", scopes,
  expires_at AS "expiresAt", revoked_at AS "revokedAt" FROM api_keys`

type KeyAsJson = Omit<KeyRow, 'digest' | 'expiresAt' | 'revokedAt'> &
  Record<'digest', string> &
  Record<'expiresAt' | 'revokedAt', string | null>

const date = (text: string | null): Date | null => (text === null ? null : new Date(text))

function keyRow({ digest, expiresAt, revokedAt, ...row }: KeyAsJson): KeyRow {
  return { ...row, digest: Buffer.from(digest, 'base64'), expiresAt: date(expiresAt), revokedAt: date(revokedAt) }
}

interface Page {
  where: { id: { gt: string } }
  orderBy: { id: 'asc' }
  take: number
}

async function* byId<Row extends { id: string }>(
  read: (page: Page) => Promise<Row[]>,
  item: (row: Row) => ConfigItem,
): AsyncGenerator<ConfigItem[], void> {
  for (let after = ''; ;) {
    const rows = await read({ where: { id: { gt: after } }, orderBy: { id: 'asc' }, take: batchRows })
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows.map(item)
    if (rows.length < batchRows) return
    after = last.id
  }
}

/** The same for millions of rows: a batch comes as one JSON text, without the client's making of each row. */
async function* manyById(
  tx: Prisma.TransactionClient,
  columns: Prisma.Sql,
  item: (row: { id: string }) => ConfigItem,
): AsyncGenerator<ConfigItem[], void> {
  for (let after = ''; ;) {
    const [batch] = await tx.$queryRaw<{ rows: string | null }[]>`
      SELECT json_agg(batch)::text AS rows FROM (
        SELECT ${columns} WHERE id > ${after} ORDER BY id LIMIT ${batchRows}
      ) batch`
    const rows = JSON.parse(batch?.rows ?? '[]') as { id: string }[]
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows.map(item)
    if (rows.length < batchRows) return
    after = last.id
  }
}

async function compress(text: AsyncIterable<string>): Promise<Buffer> {
  const chunks: Buffer[] = []
  // Digests do not compress; beyond a low level only time is spent.
  await pipeline(Readable.from(text), createGzip({ level: 1 }), async (compressed: AsyncIterable<Buffer>) => {
    for await (const chunk of compressed) chunks.push(chunk)
  })
  return Buffer.concat(chunks)
}
