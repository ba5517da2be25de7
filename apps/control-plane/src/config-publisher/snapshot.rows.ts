import type { ConfigItem } from '@apigate/core'
import { Prisma } from '../persistence/generated/client.ts'
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

const batchRows = 2_000

export interface KeptItem {
  id: string
  item: ConfigItem
}

/** A table whose rows are items of a snapshot. */
export interface ItemTable {
  kind: ConfigItem['kind']
  count(tx: Prisma.TransactionClient): Promise<number>
  /** Batches by id, from an id to below another (null: to the end). */
  read(tx: Prisma.TransactionClient, from: string, until: string | null): AsyncGenerator<KeptItem[], void>
}

/** In the order of the contract: what is referred to comes before what refers to it. */
export const itemTables: readonly ItemTable[] = [
  {
    kind: 'plan',
    count: (tx) => tx.plan.count(),
    read: (tx, from, until) => byId((page) => tx.plan.findMany(page), planItem, from, until),
  },
  {
    kind: 'user',
    count: (tx) => tx.user.count(),
    read: (tx, from, until) => manyById(tx, users, (row) => userItem(row as UserRow), from, until),
  },
  {
    kind: 'group',
    count: (tx) => tx.group.count(),
    read: (tx, from, until) =>
      byId(
        (page) => tx.group.findMany({ ...page, select: { id: true, status: true, planId: true } }),
        groupItem,
        from,
        until,
      ),
  },
  {
    kind: 'upstream',
    count: (tx) => tx.upstream.count(),
    read: (tx, from, until) => byId((page) => tx.upstream.findMany(page), upstreamItem, from, until),
  },
  {
    kind: 'route',
    count: (tx) => tx.route.count(),
    read: (tx, from, until) => byId((page) => tx.route.findMany(page), routeItem, from, until),
  },
  {
    kind: 'key',
    count: (tx) => tx.apiKey.count(),
    read: (tx, from, until) => manyById(tx, keys, (row) => keyItem(keyRow(row as KeyAsJson)), from, until),
  },
]

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
  where: { id: { gte: string; gt: string; lt?: string } }
  orderBy: { id: 'asc' }
  take: number
}

async function* byId<Row extends { id: string }>(
  read: (page: Page) => Promise<Row[]>,
  item: (row: Row) => ConfigItem,
  from: string,
  until: string | null,
): AsyncGenerator<KeptItem[], void> {
  for (let after = ''; ;) {
    const id = { gte: from, gt: after, ...(until !== null && { lt: until }) }
    const rows = await read({ where: { id }, orderBy: { id: 'asc' }, take: batchRows })
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows.map((row) => ({ id: row.id, item: item(row) }))
    if (rows.length < batchRows) return
    after = last.id
  }
}

/** The same for millions of rows: a batch comes as one JSON text, without the client's making of each row. */
async function* manyById(
  tx: Prisma.TransactionClient,
  columns: Prisma.Sql,
  item: (row: { id: string }) => ConfigItem,
  from: string,
  until: string | null,
): AsyncGenerator<KeptItem[], void> {
  const below = until === null ? Prisma.empty : Prisma.sql`AND id < ${until}`
  for (let after = ''; ;) {
    const [batch] = await tx.$queryRaw<{ rows: string | null }[]>`
      SELECT json_agg(batch)::text AS rows FROM (
        SELECT ${columns} WHERE id >= ${from} AND id > ${after} ${below} ORDER BY id LIMIT ${batchRows}
      ) batch`
    const rows = JSON.parse(batch?.rows ?? '[]') as { id: string }[]
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows.map((row) => ({ id: row.id, item: item(row) }))
    if (rows.length < batchRows) return
    after = last.id
  }
}
