import { readdirSync } from 'node:fs'
import { migrationsDir, testServers, waitFor } from '@apigate/testing'
import pg from 'pg'
import { expect, test } from 'vitest'
import { startTestApi } from '../api.fixture.ts'
import { newestMigration } from './health.repository.ts'
import { ReadinessCheck } from './index.ts'

const stranger = { 'x-api-key': undefined }

test('the newest migration is the one that readiness asks for', () => {
  const names = readdirSync(migrationsDir).filter((name) => /^\d/.test(name))
  expect(names.toSorted().at(-1)).toBe(newestMigration)
})

test('without its database the process lives, is not ready, and answers 503 with Retry-After, never 401 or 500', async () => {
  const api = await startTestApi()
  try {
    expect(await api.call('GET', '/readyz', undefined, stranger)).toMatchObject({
      status: 200,
      document: { status: 'ready', dependencies: { postgres: 'up', migrations: 'applied', first_start: 'done' } },
    })
    const [row] = (await api.database.pool.query<{ name: string }>('SELECT current_database() AS name')).rows
    const name = row?.name ?? ''
    await away(name, async () => {
      const ready = await api.call('GET', '/readyz', undefined, stranger)
      expect([ready.status, ready.document.dependencies.postgres]).toEqual([503, 'down'])
      expect((await api.call('GET', '/healthz', undefined, stranger)).status).toBe(200)
      const calls = [
        api.call('GET', '/api/plans'),
        api.call('POST', '/api/plans', { name: 'x' }),
        api.call('GET', '/api/workers'),
        api.call('GET', '/auth/me', undefined, { ...stranger, cookie: `apigate_session=${'A'.repeat(43)}` }),
        api.call('POST', '/auth/login', { email: 'a@example.com', password: 'a password' }, stranger),
        api.call('GET', '/auth/setup-required', undefined, stranger),
      ]
      for (const { status, headers, document } of await Promise.all(calls)) {
        expect([status, document.errors[0].code]).toEqual([503, 'service_unavailable'])
        expect(Number(headers['retry-after'])).toBeGreaterThan(0)
      }
    })
    await waitFor(async () => (await api.call('GET', '/api/plans')).status === 200)
    await waitFor(async () => (await api.call('GET', '/readyz', undefined, stranger)).status === 200)
  } finally {
    await api.stop()
  }
})

test('a process that is told to end is not ready at once, and serves on', async () => {
  const api = await startTestApi()
  try {
    api.app.get(ReadinessCheck).drain()
    expect((await api.call('GET', '/readyz', undefined, stranger)).status).toBe(503)
    expect((await api.call('GET', '/api/plans')).status).toBe(200)
  } finally {
    await api.stop()
  }
})

test('a database that is not migrated is not ready', async () => {
  const api = await startTestApi()
  try {
    await api.database.pool.query(`UPDATE _prisma_migrations SET finished_at = NULL`)
    const { status, document } = await api.call('GET', '/readyz', undefined, stranger)
    expect([status, document.dependencies.migrations]).toEqual([503, 'missing'])
  } finally {
    await api.stop()
  }
})

test.each([
  ['up', () => [testServers.natsUrl, testServers.redisUrl]],
  ['down', () => ['nats://127.0.0.1:1', 'redis://127.0.0.1:1']],
] as const)('NATS and Redis are shown as %s, and do not decide', async (state, servers) => {
  const [NATS_URL, REDIS_URL] = servers() as [string, string]
  const api = await startTestApi({ NATS_URL, REDIS_URL })
  try {
    const isShown = async (): Promise<boolean> => {
      const { status, document } = await api.call('GET', '/readyz', undefined, stranger)
      expect(status).toBe(200)
      return document.dependencies.nats === state && document.dependencies.redis === state
    }
    await waitFor(isShown)
  } finally {
    await api.stop()
  }
})

/** Keeps everyone out of the database while `work` runs. */
async function away(name: string, work: () => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: testServers.databaseUrl })
  await client.connect()
  try {
    await client.query(`ALTER DATABASE "${name}" RENAME TO "${name}_away"`).catch(async () => {
      await client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, [name])
      await client.query(`ALTER DATABASE "${name}" RENAME TO "${name}_away"`)
    })
    await work()
    await client.query(`ALTER DATABASE "${name}_away" RENAME TO "${name}"`)
  } finally {
    await client.end()
  }
}
