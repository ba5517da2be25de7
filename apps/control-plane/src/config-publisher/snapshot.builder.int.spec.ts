import { randomBytes } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { newId } from '@apigate/platform'
import { createTestDatabase, type TestDatabase } from '@apigate/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Database } from '../persistence/index.ts'
import { appendConfigChange } from './config.change.ts'
import { keyItem, userItem } from './config.item.ts'
import { buildSnapshot, SnapshotBuilder, type BuiltSnapshot } from './snapshot.builder.ts'
import { chunkItems } from './snapshot.chunk.ts'

const actor = { type: 'system', id: null, requestId: null } as const
const users = chunkItems * 8

let testDatabase: TestDatabase
let database: Database
let planId: string
let userIds: string[]

beforeAll(async () => {
  testDatabase = await createTestDatabase()
  database = new Database(testDatabase.url)
  planId = (await database.prisma.plan.create({ data: { id: newId('plan'), name: 'p' } })).id
  userIds = Array.from({ length: users }, (_, n) => `usr_${String(n * 10).padStart(6, '0')}`)
  await database.prisma.user.createMany({
    data: userIds.map((id) => ({ id, email: `${id}@example.com`, planId })),
  })
})
afterAll(async () => {
  await database.onModuleDestroy()
  await testDatabase.drop()
})

const linesOf = ({ body }: BuiltSnapshot): string[] => gunzipSync(body).toString().trimEnd().split('\n').slice(1)
const memberCount = ({ body }: BuiltSnapshot): number =>
  Buffer.from(body).toString('latin1').split('\x1f\x8b\x08').length - 1

async function makeUser(id: string): Promise<void> {
  await database.transaction(async (tx) => {
    const user = await tx.user.create({ data: { id, email: `${id}@example.com`, planId } })
    await appendConfigChange(tx, [userItem(user)], actor)
  })
}

async function suspendUser(id: string): Promise<void> {
  await database.transaction(async (tx) => {
    const user = await tx.user.update({ where: { id }, data: { status: 'suspended' } })
    await appendConfigChange(tx, [userItem(user)], actor)
  })
}

async function deleteUser(id: string): Promise<void> {
  await database.transaction(async (tx) => {
    await tx.user.delete({ where: { id } })
    await appendConfigChange(tx, [{ kind: 'user', op: 'delete', id }], actor)
  })
}

/** The user's row as only someone who reads it again would see it: nobody was told of a change. */
const spoil = (id: string): Promise<unknown> =>
  database.pool.query(`UPDATE users SET status = 'cancelled' WHERE id = $1`, [id])

test('a snapshot after changes holds what one from nothing holds, wherever rows came, changed and went', async () => {
  const builder = new SnapshotBuilder(database.prisma)
  await builder.build()
  const places = [0, 1, chunkItems - 1, chunkItems, chunkItems + 1, users / 2, users - 1]
  for (const place of places) await suspendUser(userIds[place]!)
  expect(linesOf(await builder.build())).toEqual(linesOf(await buildSnapshot(database.prisma)))

  for (const [n, place] of places.entries()) await makeUser(`${userIds[place]!.slice(0, -1)}${1 + n}`)
  await makeUser('usr_-before-all')
  await makeUser('usr_~behind-all')
  await database.transaction(async (tx) => {
    const data = { id: newId('key'), prefix: 'ak_012345678', digest: randomBytes(32), userId: userIds[0]! }
    await appendConfigChange(tx, [keyItem(await tx.apiKey.create({ data }))], actor)
  })
  expect(linesOf(await builder.build())).toEqual(linesOf(await buildSnapshot(database.prisma)))

  for (const id of userIds.slice(chunkItems * 3, chunkItems * 4 - 2)) await deleteUser(id)
  expect(linesOf(await builder.build())).toEqual(linesOf(await buildSnapshot(database.prisma)))
  for (const id of userIds.slice(chunkItems * 4 - 2, chunkItems * 4 + 2)) await deleteUser(id)
  expect(linesOf(await builder.build())).toEqual(linesOf(await buildSnapshot(database.prisma)))
})

test('rows that come one by one into the same place do not leave a chunk each', async () => {
  const builder = new SnapshotBuilder(database.prisma)
  const before = memberCount(await builder.build())
  let members = 0
  for (let n = 0; n < 10; n++) {
    await makeUser(`${userIds[chunkItems * 5]!}-${n}`)
    members = memberCount(await builder.build())
  }
  expect(members).toBeLessThanOrEqual(before + 1)
})

test('rows far from every change are not read again, those near one are', async () => {
  const builder = new SnapshotBuilder(database.prisma)
  await builder.build()
  const [near, far] = [userIds[10]!, userIds[users - 10]!]
  await spoil(near)
  await spoil(far)
  await suspendUser(userIds[12]!)
  const lines = linesOf(await builder.build())
  expect(lines.find((line) => line.includes(near))).toContain('cancelled')
  expect(lines.find((line) => line.includes(far))).not.toContain('cancelled')
})

test('it rests after each piece that it reads again, and never over what nobody has yet', async () => {
  const rests: number[] = []
  const builder = new SnapshotBuilder(database.prisma, async (workedMs) => void rests.push(workedMs))
  await builder.build()
  expect(rests).toEqual([])
  for (const place of [10, chunkItems * 2, users - 10]) await suspendUser(userIds[place]!)
  await builder.build()
  expect(rests).toHaveLength(3)
  expect(Math.min(...rests)).toBeGreaterThan(0)
})

test.each([
  ['another epoch', () => database.pool.query('UPDATE config_head SET epoch = gen_random_uuid()')],
  ['a log of changes that was cut', () => database.pool.query('DELETE FROM config_changes')],
  [
    'a row that went without a change',
    () => database.pool.query('DELETE FROM users WHERE id = $1', [userIds[users - 30]]),
  ],
])('after %s everything is read again', async (_what, happen) => {
  const builder = new SnapshotBuilder(database.prisma)
  await builder.build()
  await suspendUser(userIds[20]!)
  const far = userIds[users - 20]!
  await database.pool.query(`UPDATE users SET status = 'pending' WHERE id = $1`, [far])
  await happen()
  const lines = linesOf(await builder.build())
  expect(lines.find((line) => line.includes(far))).toContain('pending')
})
