import { createTestDatabase, type TestDatabase } from '@apigate/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Database, divideParts, readParts } from './index.ts'

let testDatabase: TestDatabase
let database: Database
beforeAll(async () => {
  testDatabase = await createTestDatabase()
  database = new Database(testDatabase.url)
})
afterAll(async () => {
  await database?.onModuleDestroy()
  await testDatabase?.drop()
})

let made = 0
/** @param instant of the row `i` of as many. */
async function insert(rows: number, instant: string): Promise<void> {
  await database.pool.query(
    `INSERT INTO audit_events (id, created_at, actor_type, actor_id, action, target_type, target_id)
     SELECT 'aud_' || $2::int + i, ${instant}, 'api_key', 'key_a', 'users.create', 'users', 'usr_a'
     FROM generate_series(1, $1::int) i`,
    [rows, made],
  )
  made += rows
}

const divide = async (): Promise<void> => {
  while (await divideParts(database.prisma, 'audit_events'));
}

const counted = async (): Promise<unknown[]> => {
  const { rows } = await database.pool.query<{ since: Date | null; rows: number }>(
    `SELECT marks.since[width_bucket(created_at, marks.since)] AS since, count(*)::int AS rows
     FROM audit_events, (SELECT since FROM row_marks WHERE counted = 'audit_events') marks
     GROUP BY 1 ORDER BY 1 NULLS FIRST`,
  )
  return rows
}

test('what was made in one instant stops no other part from being divided, and instants beyond all dates are counted', async () => {
  await insert(1, `'0044-03-15 BC'`)
  await insert(45_000, `'2026-01-01Z'`)
  await insert(12_000, `'2026-01-02Z'::timestamptz + i * interval '1 second'`)
  await insert(1, `'infinity'`)
  await divide()
  expect(await readParts(database.prisma, 'audit_events')).toEqual(await counted())
  await insert(15_000, `'2026-01-03Z'::timestamptz + i * interval '1 second'`)
  await divide()
  const parts = await readParts(database.prisma, 'audit_events')
  expect(parts).toEqual(await counted())
  expect(parts.reduce((sum, { rows }) => sum + rows, 0)).toBe(made)
  expect(parts.filter(({ rows }) => rows > 20_000)).toHaveLength(1)
})

test('more rows than one step takes are divided by several', async () => {
  await database.pool.query('TRUNCATE audit_events')
  await insert(230_000, `'2026-02-01Z'::timestamptz + i * interval '1 second'`)
  await divide()
  const parts = await readParts(database.prisma, 'audit_events')
  expect(parts).toEqual(await counted())
  expect(Math.max(...parts.map(({ rows }) => rows))).toBeLessThanOrEqual(20_000)
})
