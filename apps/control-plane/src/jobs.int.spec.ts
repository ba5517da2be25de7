import 'reflect-metadata'
import { randomBytes } from 'node:crypto'
import { createLogger } from '@apigate/platform'
import { createTestDatabase, waitFor, type TestDatabase } from '@apigate/testing'
import type { INestApplicationContext } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import pg from 'pg'
import { afterEach, expect, test } from 'vitest'
import { loadConfig } from './config.ts'
import { JobsModule } from './jobs.module.ts'
import { JobsStatus } from './jobs.status.ts'

let app: INestApplicationContext | null = null
let database: TestDatabase | null = null
afterEach(async () => {
  await app?.close()
  await database?.drop()
  ;[app, database] = [null, null]
})

async function start(databaseUrl: string, servers: Record<string, string> = {}): Promise<JobsStatus> {
  const config = loadConfig({
    ...servers,
    DATABASE_URL: databaseUrl,
    APIGATE_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
  })
  const log = createLogger({ name: 'test', level: 'silent' })
  app = await NestFactory.createApplicationContext(JobsModule.provide(config, log), { logger: false })
  return app.get(JobsStatus)
}

test('the process becomes ready and publishes, and is unready at once when it ends', async () => {
  database = await createTestDatabase()
  const status = await start(database.url)
  await waitFor(() => status.status().position, { timeoutMs: 10_000 })
  expect(await status.readiness()).toEqual({
    ready: true,
    dependencies: { postgres: 'up', migrations: 'applied', config_publisher: 'owner' },
  })
  expect(await status.metrics()).toContain('\napigate_config_published_revision 0\n')
  status.drain()
  expect(await status.readiness()).toMatchObject({ ready: false, dependencies: { process: 'draining' } })
})

test('NATS and Redis are shown and do not decide; a database that is not migrated does', async () => {
  database = await createTestDatabase()
  const servers = { NATS_URL: 'nats://127.0.0.1:1', REDIS_URL: 'redis://127.0.0.1:1' }
  const status = await start(database.url, servers)
  const { ready, dependencies } = await status.readiness()
  expect([ready, dependencies]).toMatchObject([true, { nats: 'down', redis: 'down', migrations: 'applied' }])
  const client = new pg.Client(database.url)
  await client.connect()
  await client.query('UPDATE _prisma_migrations SET finished_at = NULL')
  await client.end()
  expect(await status.readiness()).toMatchObject({ ready: false, dependencies: { migrations: 'missing' } })
})

test('a database that does not answer takes nothing from the metrics but what only it knows', async () => {
  database = await createTestDatabase()
  const status = await start(database.url)
  await waitFor(async () => (await status.metrics()).includes('\napigate_usage_gap_events 0\n'))
  const holder = new pg.Client({ connectionString: database.url })
  await holder.connect()
  await holder.query('BEGIN; LOCK TABLE usage_marks IN ACCESS EXCLUSIVE MODE')
  const [text, again] = await Promise.all([status.metrics(), status.metrics()])
  expect(text).toContain('\napigate_usage_ingest_events_total 0\n')
  expect(text).not.toContain('apigate_usage_gap_events')
  expect(again).not.toContain('apigate_usage_gap_events')
  const { rows } = await holder.query(
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ~ 'headRevision'`,
  )
  expect(rows).toHaveLength(1)
  await holder.end()
  await waitFor(async () => (await status.metrics()).includes('\napigate_usage_gap_events 0\n'))
})

test('it starts without PostgreSQL, says so, and can be closed', async () => {
  const status = await start('postgresql://app@127.0.0.1:1/none')
  await waitFor(() => status.status().problem)
  expect(await status.readiness()).toEqual({
    ready: false,
    dependencies: { postgres: 'down', migrations: 'unknown', config_publisher: 'away: failing' },
  })
  expect(await status.metrics()).toContain('\napigate_config_publisher_failing 1\n')
  expect(await status.metrics()).not.toContain('apigate_config_published_revision')
})
