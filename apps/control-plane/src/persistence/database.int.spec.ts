import type { Socket } from 'node:net'
import { createTestDatabase, waitFor, type TestDatabase } from '@apigate/testing'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Database, databaseProblem, runPrepared, type DatabaseProblem, type Transaction } from './index.ts'

let testDatabase: TestDatabase
let database: Database
beforeAll(async () => {
  testDatabase = await createTestDatabase()
  database = new Database(testDatabase.url, 200)
  await database.prisma.plan.create({ data: { id: 'plan_a', name: 'a' } })
  await database.prisma.user.create({ data: { id: 'usr_a', email: 'a@example.com', planId: 'plan_a' } })
})
afterAll(async () => {
  await database?.onModuleDestroy()
  await testDatabase?.drop()
})

const problemOf = (work: Promise<unknown>): Promise<DatabaseProblem | null | 'none'> =>
  work.then(
    () => 'none' as const,
    (error: unknown) => databaseProblem(error),
  )

test('a violated constraint names its column', async () => {
  const { plan, user } = database.prisma
  const unique = (column: string) => ({ kind: 'unique', column })
  expect(await problemOf(plan.create({ data: { id: 'plan_a', name: 'b' } }))).toEqual(unique('id'))
  expect(await problemOf(plan.create({ data: { id: 'plan_b', name: 'a' } }))).toEqual(unique('name'))
  const twice = { id: 'usr_b', email: 'A@EXAMPLE.COM', planId: 'plan_a' }
  expect(await problemOf(user.create({ data: twice }))).toEqual(unique('email'))
  expect(await problemOf(user.create({ data: { ...twice, email: 'b@b.b', planId: 'plan_none' } }))).toEqual({
    ...{ kind: 'reference', column: 'plan_id' },
  })
  expect(await problemOf(plan.delete({ where: { id: 'plan_a' } }))).toEqual({ kind: 'reference', column: 'plan_id' })
})

const renamePlan = { name: 'rename-plan', text: 'UPDATE plans SET name = $2 WHERE id = $1 RETURNING name' }

test('a prepared statement is part of the transaction beside what Prisma does, and is prepared once', async () => {
  const name = async (): Promise<string> =>
    (await database.prisma.plan.findUniqueOrThrow({ where: { id: 'plan_p' } })).name
  await database.prisma.plan.create({ data: { id: 'plan_p', name: 'first' } })
  const gone = database.transaction(async (tx) => {
    await tx.plan.update({ where: { id: 'plan_p' }, data: { burst: 7 } })
    expect(await runPrepared(tx, renamePlan, ['plan_p', 'second'])).toEqual([{ name: 'second' }])
    expect(await tx.plan.findUnique({ where: { id: 'plan_p' } })).toMatchObject({ name: 'second', burst: 7 })
    expect(await name()).toBe('first')
    throw new Error('changed my mind')
  })
  await expect(gone).rejects.toThrow('changed my mind')
  expect(await name()).toBe('first')
  await database.transaction(async (tx) => {
    await runPrepared(tx, renamePlan, ['plan_p', 'third'])
    await runPrepared(tx, renamePlan, ['plan_p', 'fourth'])
    const prepared = await tx.$queryRaw`SELECT name FROM pg_prepared_statements WHERE name = ${renamePlan.name}`
    expect(prepared).toEqual([{ name: renamePlan.name }])
  })
  expect(await name()).toBe('fourth')
})

test('behind the end of its transaction a prepared statement is refused: the connection may be another one', async () => {
  await database.prisma.plan.create({ data: { id: 'plan_r', name: 'r' } })
  const slow = { name: 'a-while', text: 'SELECT pg_sleep(0.15)' }
  const late = database.transaction(
    async (tx) => {
      await runPrepared(tx, slow, [])
      await runPrepared(tx, renamePlan, ['plan_r', 'late'])
    },
    { timeout: 50 },
  )
  expect(await problemOf(late)).toEqual({ kind: 'unavailable' })
  let kept: Transaction | undefined
  await database.transaction(async (tx) => {
    kept = tx
    await runPrepared(tx, renamePlan, ['plan_r', 'in time'])
  })
  expect(await problemOf(runPrepared(kept!, renamePlan, ['plan_r', 'late']))).toEqual({ kind: 'unavailable' })
  expect(await database.prisma.plan.findUnique({ where: { id: 'plan_r' } })).toMatchObject({ name: 'in time' })
})

const pidOf = { name: 'pid', text: 'SELECT pg_backend_pid() AS pid, $1::int AS n' }

test('a transaction of Prisma that is begun within another one leaves that one its connection', async () => {
  const pids = await database.transaction(async (tx) => {
    const pid = async (): Promise<number | undefined> => (await runPrepared<{ pid: number }>(tx, pidOf, [0]))[0]?.pid
    const before = await pid()
    const within = await database.prisma.$transaction(async (other) => {
      await other.plan.count()
      return pid()
    })
    return [before, within, await pid()]
  })
  expect(new Set(pids).size).toBe(1)
})

test.each(['a statement', 'the commit'])(
  'a connection that is lost before %s is unavailable, and replaced',
  async (next) => {
    const lost = database.transaction(async (tx) => {
      const [row] = await runPrepared<{ pid: number }>(tx, pidOf, [0])
      await database.pool.query('SELECT pg_terminate_backend($1)', [row?.pid])
      const isGone = `SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1) AS gone`
      await waitFor(async () => (await database.pool.query<{ gone: boolean }>(isGone, [row?.pid])).rows[0]?.gone)
      if (next === 'a statement') await runPrepared(tx, pidOf, [0])
    })
    expect(await problemOf(lost)).toEqual({ kind: 'unavailable' })
    expect(database.pool.totalCount).toBe(database.pool.idleCount)
  },
)

test('transactions at the same time have each their own connection', async () => {
  const both = await Promise.all(
    [1, 2, 3].map((n) =>
      database.transaction(async (tx) => {
        const [own] = await tx.$queryRaw<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`
        return [own?.pid, (await runPrepared<{ pid: number; n: number }>(tx, pidOf, [n]))[0]] as const
      }),
    ),
  )
  expect(both.map(([, row]) => row)).toEqual(both.map(([pid], index) => ({ pid, n: index + 1 })))
  expect(new Set(both.map(([pid]) => pid)).size).toBe(3)
})

test('what a prepared statement violates, or waits for in vain, is told as it is of Prisma', async () => {
  const taken = database.transaction(async (tx) => {
    await tx.plan.create({ data: { id: 'plan_q', name: 'q' } })
    await runPrepared(tx, renamePlan, ['plan_q', 'a'])
  })
  expect(await problemOf(taken)).toEqual({ kind: 'unique', column: 'name' })
  const owner = { name: 'move-user', text: 'UPDATE users SET plan_id = $1' }
  expect(await problemOf(database.transaction((tx) => runPrepared(tx, owner, ['plan_none'])))).toEqual({
    ...{ kind: 'reference', column: 'plan_id' },
  })
  const late = { name: 'sleep', text: 'SELECT pg_sleep(10)' }
  expect(await problemOf(database.transaction((tx) => runPrepared(tx, late, [])))).toEqual({ kind: 'unavailable' })
})

test('an error of a prepared statement holds nothing of the row that it is about, as the log would tell it', async () => {
  await database.prisma.user.update({ where: { id: 'usr_a' }, data: { passwordHash: 'hidden' } })
  const nameless = { name: 'nameless', text: 'UPDATE users SET name = NULL WHERE id = $1' }
  const error = await database
    .transaction((tx) => runPrepared(tx, nameless, ['usr_a']))
    .catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: '23502', column: 'name' })
  expect(JSON.stringify(error)).not.toContain('hidden')
})

test('what is our own mistake is no problem of the database', async () => {
  expect(await problemOf(database.pool.query('SELECT nonsense'))).toBeNull()
  expect(await problemOf(database.prisma.$queryRaw`SELECT 1/0`)).toBeNull()
})

test('a statement that waits for too long is cancelled, and its transaction is gone', async () => {
  const holder = await database.pool.connect()
  await holder.query('BEGIN')
  await holder.query('LOCK TABLE plans')
  const insert = database.prisma.$transaction((tx) => tx.plan.create({ data: { id: 'plan_late', name: 'late' } }))
  expect(await problemOf(insert)).toEqual({ kind: 'unavailable' })
  await holder.query('ROLLBACK')
  holder.release()
  const { rows } = await database.pool.query(
    `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`,
  )
  expect(rows).toEqual([])
  expect(await database.prisma.plan.findUnique({ where: { id: 'plan_late' } })).toBeNull()
})

test('a connection that breaks while somebody has it ends no process', async () => {
  const client = (await database.pool.connect()) as pg.PoolClient & { connection: { stream: Socket } }
  const ended = new Promise((resolve) => void client.once('end', resolve))
  client.connection.stream.destroy(new Error('connection reset'))
  await ended
  client.release(true)
  expect((await database.pool.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }])
})

test('a database that is away is unavailable, by whichever way it is asked', async () => {
  const away = new Database('postgresql://app@127.0.0.1:1/none')
  const problems = await Promise.all([
    problemOf(away.prisma.plan.findMany()),
    problemOf(away.prisma.$queryRaw`SELECT 1`),
    problemOf(away.prisma.$transaction((tx) => tx.plan.findMany())),
    problemOf(away.pool.query('SELECT 1')),
  ])
  expect(problems).toEqual(problems.map(() => ({ kind: 'unavailable' })))
  await away.onModuleDestroy()
})

test('an instant is the same one to Prisma, to pg and to PostgreSQL, whatever the time zone of the server', async () => {
  const name = new URL(testDatabase.url).pathname.slice(1)
  await database.pool.query(`ALTER DATABASE "${name}" SET timezone = 'Asia/Kathmandu'`)
  const elsewhere = new Database(testDatabase.url)
  try {
    const before = Date.now()
    await elsewhere.pool.query(`INSERT INTO plans (id, name, updated_at) VALUES ('plan_now', 'now', now())`)
    const { createdAt } = await elsewhere.prisma.plan.findUniqueOrThrow({ where: { id: 'plan_now' } })
    expect(Math.abs(createdAt.getTime() - before)).toBeLessThan(60_000)
    const at = new Date('2026-03-01T12:00:00.123Z')
    await elsewhere.prisma.plan.create({ data: { id: 'plan_at', name: 'at', createdAt: at } })
    const { rows } = await elsewhere.pool.query(`SELECT created_at FROM plans WHERE id = 'plan_at'`)
    expect(rows).toEqual([{ created_at: at }])
    expect(await elsewhere.prisma.$queryRaw`SELECT id FROM plans WHERE created_at = ${at}`).toEqual([{ id: 'plan_at' }])
  } finally {
    await elsewhere.onModuleDestroy()
  }
})
