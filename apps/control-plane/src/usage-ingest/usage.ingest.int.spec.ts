import { randomBytes } from 'node:crypto'
import type { UsageBatch, UsageEvent, UsageMark } from '@apigate/contracts'
import {
  createLogger,
  openFleetBus,
  openUsageQueue,
  type Closeable,
  type FleetBus,
  type TransportConfig,
} from '@apigate/platform'
import { aUsageBatch, aUsageEvent, createTestDatabase, testServers, waitFor } from '@apigate/testing'
import type { INestApplicationContext } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig } from '../config.ts'
import { Database, PersistenceModule } from '../persistence/index.ts'
import { SettingsModule } from '../settings.module.ts'
import { UsageIngestModule } from './index.ts'

const encryptionKey = randomBytes(32).toString('base64')
const log = createLogger({ name: 'test', level: 'silent' })

/** Every test is a worker's start of its own: a batch that was set aside keeps its job's id in the queue. */
let epoch = 1_795_000_000_000

const anEvent = (seq: number, over: Partial<UsageEvent> = {}): UsageEvent =>
  aUsageEvent(seq, { id: `evt_w-1_${epoch}_${seq}`, ...over })
const aBatch = (events: UsageEvent[], over: Partial<UsageBatch> = {}): UsageBatch =>
  aUsageBatch(events, { epoch, ...over })
const eventsOf = (first: number, last: number): UsageEvent[] =>
  Array.from({ length: last - first + 1 }, (_, n) => anEvent(first + n))

describe.each(['Redis and NATS', 'PostgreSQL alone'])('usage ingest on %s', (servers) => {
  let transport: TransportConfig & { databaseUrl: string }
  let database: Database
  let bus: FleetBus
  let dropDatabase: () => Promise<void>
  let marks: UsageMark[]
  let listening: Closeable
  const running: INestApplicationContext[] = []

  beforeAll(async () => {
    const testDatabase = await createTestDatabase()
    dropDatabase = testDatabase.drop
    const others = servers === 'Redis and NATS' ? testServers : { natsUrl: null, redisUrl: null }
    transport = {
      databaseUrl: testDatabase.url,
      natsUrl: others.natsUrl,
      redisUrl: others.redisUrl,
      namespace: `t${randomBytes(6).toString('hex')}`,
    }
    database = new Database(testDatabase.url)
    bus = openFleetBus(transport, log)
  })
  afterAll(async () => {
    await bus.close()
    await database.onModuleDestroy()
    await dropDatabase()
  })
  beforeEach(async () => {
    epoch += 1
    marks = []
    listening = await bus.onMark('w-1', (mark) => marks.push(mark))
  })
  afterEach(async () => {
    await Promise.all(running.splice(0).map((app) => app.close()))
    await listening.close()
    await database.pool.query('TRUNCATE usage_events, usage_hourly, usage_daily, usage_periods, usage_marks')
  })

  async function startIngest(): Promise<INestApplicationContext> {
    const config = {
      ...loadConfig({ DATABASE_URL: transport.databaseUrl, APIGATE_ENCRYPTION_KEY: encryptionKey }),
      ...transport,
    }
    const jobs = {
      module: class JobsModule {},
      imports: [SettingsModule.provide(config, log), PersistenceModule.connect(config.databaseUrl), UsageIngestModule],
    }
    const app = await NestFactory.createApplicationContext(jobs, { logger: false })
    running.push(app)
    return app
  }

  /** Adds batches as a worker's shipper does, which tries again while the queue is not there. */
  async function ship(...batches: UsageBatch[]): Promise<void> {
    const queue = openUsageQueue(transport, log)
    try {
      for (const batch of batches) await waitFor(() => queue.add(batch).then(() => true))
    } finally {
      await queue.close()
    }
  }

  async function ledger(): Promise<{ events: number; requests: number }> {
    const { rows } = await database.pool.query<{ events: number; requests: number }>(
      `SELECT (SELECT count(*) FROM usage_events)::int AS events,
        (SELECT coalesce(sum(requests), 0) FROM usage_hourly)::int AS requests`,
    )
    return rows[0] ?? { events: 0, requests: 0 }
  }

  const mark = (first: number, seq: number): UsageMark => ({ v: 1, worker: 'w-1', epoch, first, seq })

  test('what a worker ships is in the ledger, and the worker is told', async () => {
    await startIngest()
    await ship(aBatch(eventsOf(1, 1000)), aBatch(eventsOf(1001, 1200)))
    await waitFor(() => marks.some((each) => each.seq === 1200 && each.first === 1))
    expect(await ledger()).toEqual({ events: 1200, requests: 1200 })
  })

  test('a batch that comes again is told again and counted once', async () => {
    await startIngest()
    await ship(aBatch(eventsOf(1, 10)))
    await waitFor(() => marks.length === 1)
    await ship(aBatch(eventsOf(1, 10)))
    await waitFor(() => marks.length === 2)
    expect(marks).toEqual([mark(1, 10), mark(1, 10)])
    expect(await ledger()).toEqual({ events: 10, requests: 10 })
  })

  test('several processes share the queue and count every event once, however batches overlap', async () => {
    await Promise.all([startIngest(), startIngest(), startIngest()])
    const batches = Array.from({ length: 30 }, (_, n) => aBatch(eventsOf(1 + n * 10, 40 + n * 10)))
    await ship(...batches)
    await waitFor(() => marks.some((each) => each.first === 1 && each.seq === 330))
    expect(await ledger()).toEqual({ events: 330, requests: 330 })
  })

  test('a batch that lies is set aside alone, and never marked; an unsound event alone, and marked', async () => {
    await startIngest()
    await ship(
      aBatch([anEvent(1), anEvent(2, { metered_units: -1 })]),
      aBatch([anEvent(4)], { first: 3, last: 4 }),
      aBatch(eventsOf(5, 6)),
    )
    await waitFor(() => marks.length > 1)
    expect(marks.toSorted((a, b) => a.seq - b.seq)).toEqual([mark(1, 2), mark(5, 6)])
    expect(await ledger()).toEqual({ events: 3, requests: 3 })
  })

  test('connections to the database that break in the middle lose nothing', async () => {
    const holder = await database.pool.connect()
    try {
      await holder.query('BEGIN; LOCK TABLE usage_hourly IN ACCESS EXCLUSIVE MODE')
      await startIngest()
      await ship(...Array.from({ length: 20 }, (_, n) => aBatch(eventsOf(1 + n * 200, 200 + n * 200))))
      await waitFor(async () => {
        const { rowCount } = await database.pool.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%usage_row_v2%'`,
        )
        return rowCount
      })
    } finally {
      await holder.query('ROLLBACK')
      holder.release()
    }
    await waitFor(() => marks.some((each) => each.first === 1 && each.seq === 4000))
    expect(await ledger()).toEqual({ events: 4000, requests: 4000 })
  })

  test('partitions that cannot be made now hold up neither the start nor what is written', async () => {
    const holder = await database.pool.connect()
    try {
      await holder.query('BEGIN; SELECT pg_advisory_xact_lock(4701201)')
      await startIngest()
      await ship(aBatch(eventsOf(1, 10)))
      await waitFor(() => marks.length > 0)
    } finally {
      await holder.query('ROLLBACK')
      holder.release()
    }
    expect(await ledger()).toEqual({ events: 10, requests: 10 })
  })

  test('a stop in the middle of a backlog finishes what it has begun; the next start does the rest', async () => {
    await ship(...Array.from({ length: 500 }, (_, n) => aBatch(eventsOf(1 + n * 20, 20 + n * 20))))
    const app = await startIngest()
    await waitFor(() => marks.length > 0)
    await app.close()
    const { events, requests } = await ledger()
    expect(events % 20).toBe(0)
    expect(events).toBeLessThan(10_000)
    expect(requests).toBe(events)
    await startIngest()
    // A batch that was being fetched as the process ended is taken again when its lock has run out.
    await waitFor(() => marks.some((each) => each.first === 1 && each.seq === 10_000), { timeoutMs: 70_000 })
    expect(await ledger()).toEqual({ events: 10_000, requests: 10_000 })
  }, 90_000)
})
