import type { ConfigItem } from '@apigate/core'
import { createTestDatabase, type TestDatabase } from '@apigate/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Database } from '../persistence/index.ts'
import { appendConfigChange } from './config.change.ts'

const actor = { type: 'system', id: null, requestId: 'req-1' } as const
const item: ConfigItem = { kind: 'key', op: 'delete', id: 'key_1' }

let testDatabase: TestDatabase
let database: Database

beforeAll(async () => {
  testDatabase = await createTestDatabase()
  database = new Database(testDatabase.url)
})

afterAll(async () => {
  await database.onModuleDestroy()
  await testDatabase.drop()
})

test('revisions are gapless and distinct under concurrent writes, and a rolled back write takes none', async () => {
  const attempts = Array.from({ length: 50 }, (_, index) =>
    database.transaction(
      async (tx) => {
        const revision = await appendConfigChange(tx, [item], actor)
        if (index % 5 === 0) throw new Error('the caller gives up')
        return revision
      },
      { maxWait: 20_000, timeout: 20_000 },
    ),
  )
  const committed = (await Promise.allSettled(attempts)).flatMap((result) =>
    result.status === 'fulfilled' ? [result.value] : [],
  )
  expect(committed).toHaveLength(40)

  const rows = await database.prisma.configChange.findMany({ orderBy: { revision: 'asc' } })
  expect(rows.map((row) => row.revision)).toEqual(Array.from({ length: 40 }, (_, index) => BigInt(index + 1)))
  expect(committed.toSorted((a, b) => Number(a - b))).toEqual(rows.map((row) => row.revision))
})

test('the change is stored as it was given', async () => {
  const revision = await database.transaction((tx) => appendConfigChange(tx, [item], actor))
  const row = await database.prisma.configChange.findUniqueOrThrow({ where: { revision } })
  const head = await database.prisma.configHead.findUniqueOrThrow({ where: { id: 1 } })
  expect(row).toMatchObject({
    epoch: head.epoch,
    items: [item],
    actorType: 'system',
    actorId: null,
    requestId: 'req-1',
  })
  expect(head.revision).toBe(revision)
})
