import { randomBytes } from 'node:crypto'
import type { UsageBatch, UsageBatchV1 } from '@apigate/contracts'
import { createTestDatabase, testServers, waitFor, type TestDatabase } from '@apigate/testing'
import { Queue } from 'bullmq'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createLogger } from '../../logger.ts'
import {
  consumeUsageBatches,
  consumeUsageBatchesV1,
  openUsageQueue,
  RefusedBatchError,
  type Closeable,
  type ConsumerOptions,
  type TransportConfig,
  type UsageQueue,
} from '../index.ts'
import { producerBackend } from './queue.backend.ts'

const log = createLogger({ name: 'test', level: 'silent' })

function aBatch(first: number, worker = 'w-1.a'): UsageBatch {
  return {
    v: 2,
    worker,
    epoch: 1_700_000_000_000,
    first,
    last: first + 1,
    rows: `(${first},"/ü \\"x")\n(${first + 1},)`,
  }
}

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

describe.each(['Redis', 'PostgreSQL'])('usage queue on %s', (transport) => {
  let config: TransportConfig
  const open: Closeable[] = []
  beforeAll(() => {
    const redisUrl = transport === 'Redis' ? testServers.redisUrl : null
    config = { databaseUrl: database.url, natsUrl: null, redisUrl, namespace: `t${randomBytes(6).toString('hex')}` }
  })
  afterEach(async () => {
    await Promise.all(open.splice(0).map((one) => one.close()))
    await inspect((bull) => bull.obliterate({ force: true }))
  })

  function queue(): UsageQueue {
    const made = openUsageQueue(config, log)
    open.push(made)
    return made
  }
  function consume(handler: (batch: UsageBatch) => Promise<void>, options: Partial<ConsumerOptions> = {}): Closeable {
    const made = consumeUsageBatches(config, log, handler, { concurrency: 1, ...options })
    open.push(made)
    return made
  }
  async function inspect<T>(ask: (queue: Queue) => Promise<T>, name = 'apigate-usage-rows'): Promise<T> {
    const { options, factory } = producerBackend(config)
    const bull = new Queue(name, options, factory) as unknown as Queue
    bull.on('error', () => {})
    await bull.waitUntilReady()
    try {
      return await ask(bull)
    } finally {
      await bull.close()
    }
  }
  /** The queue opens in the background; until then it refuses. */
  const add = (to: UsageQueue, batch: UsageBatch): Promise<true> =>
    waitFor(() => to.add(batch).then(() => true as const))

  test('a batch comes out as it went in', async () => {
    const seen: UsageBatch[] = []
    consume(async (batch) => void seen.push(batch))
    await add(queue(), aBatch(1))
    await waitFor(() => seen.length === 1)
    expect(seen).toEqual([aBatch(1)])
  })

  test('a batch of an older worker comes to those who ask for such', async () => {
    const seen: UsageBatchV1[] = []
    const old: UsageBatchV1 = { v: 1, worker: 'w-1', epoch: 1, first: 1, last: 1, events: '[{"seq":1}]' }
    open.push(consumeUsageBatchesV1(config, log, async (batch) => void seen.push(batch), { concurrency: 1 }))
    await inspect((bull) => bull.add('job', old, { jobId: 'w-1_1_1' }), 'apigate-usage')
    await waitFor(() => seen.length === 1)
    expect(seen).toEqual([old])
  })

  test('a batch added again while it waits runs once, and again when it was done', async () => {
    const seen: number[] = []
    const to = queue()
    await add(to, aBatch(10))
    await to.add(aBatch(10))
    await to.add(aBatch(12))
    consume(async (batch) => void seen.push(batch.first))
    await waitFor(() => seen.length === 2)
    await waitFor(() => inspect((bull) => bull.getJobCountByTypes('active', 'waiting')).then((count) => count === 0))
    await to.add(aBatch(10))
    await waitFor(() => seen.length === 3)
    expect(seen).toEqual([10, 12, 10])
  })

  test('a batch whose handler fails is tried again for ever, with growing pauses, and holds up no other', async () => {
    const attempts: number[] = []
    const pauses: number[] = []
    const seen: number[] = []
    const fails = async (batch: UsageBatch): Promise<void> => {
      const again = batch.first === 20 && (attempts.push(performance.now()) <= 25 || !seen.includes(22))
      if (again) throw new Error('relation "x" does not exist')
      seen.push(batch.first)
    }
    // Long enough for another batch to come first, as the real pauses are.
    const pauseMs = (attempt: number): number => (pauses.push(attempt), seen.includes(22) ? 1 : 100)
    consume(fails, { pauseMs })
    const to = queue()
    await add(to, aBatch(20))
    await to.add(aBatch(22))
    await waitFor(() => seen.includes(20), { timeoutMs: 15_000 })
    expect(seen).toEqual([22, 20])
    expect(pauses.length).toBeGreaterThanOrEqual(25)
    expect(pauses).toEqual(Array.from(pauses, (_, n) => n))
    expect(await inspect((bull) => bull.getJobCountByTypes('failed', 'delayed', 'waiting', 'active'))).toBe(0)
  })

  test('a batch that can never be written is set aside at once and kept, and the next one runs', async () => {
    const seen: number[] = []
    consume(async (batch) => {
      if (batch.first === 40) throw new RefusedBatchError('its events are not events')
      seen.push(batch.first)
    })
    const to = queue()
    await add(to, aBatch(40))
    await to.add(aBatch(42))
    await waitFor(() => seen.length === 1)
    const failed = await inspect((bull) => bull.getFailed())
    expect(failed.map((job) => [job.data.first, job.attemptsMade, job.failedReason])).toEqual([
      [40, 1, 'its events are not events'],
    ])
  })

  test('what is no batch is set aside at once and kept, and the next one runs', async () => {
    const seen: number[] = []
    consume(async (batch) => void seen.push(batch.first))
    await inspect((bull) => bull.add('batch', { v: 1, worker: 'w' }, { jobId: 'poison_1', attempts: 10 }))
    await add(queue(), aBatch(30))
    await waitFor(() => seen.length === 1)
    const failed = await inspect((bull) => bull.getFailed())
    expect(failed.map((job) => [job.id, job.failedReason])).toEqual([['poison_1', 'not a usage batch']])
  })

  test('closing waits for the batch that is being handled', async () => {
    const events: string[] = []
    const gate = Promise.withResolvers<void>()
    const consumer = consume(async () => {
      events.push('began')
      await gate.promise
      events.push('ended')
    })
    await add(queue(), aBatch(50))
    await waitFor(() => events.length === 1)
    const closed = consumer.close().then(() => events.push('closed'))
    gate.resolve()
    await closed
    expect(events).toEqual(['began', 'ended', 'closed'])
  })
})

test.each([
  { databaseUrl: null, natsUrl: null, redisUrl: 'redis://127.0.0.1:1' },
  { databaseUrl: 'postgresql://app@127.0.0.1:1/none', natsUrl: null, redisUrl: null },
])('without a server adding fails within seconds and closing works: %o', async (config) => {
  const queue = openUsageQueue(config, log)
  const consumer = consumeUsageBatches(config, log, async () => {}, { concurrency: 1 })
  await expect(queue.add(aBatch(1))).rejects.toThrow('away')
  await queue.close()
  await consumer.close()
})

test('a queue that has been looking for its server in vain is closed at once', async () => {
  const lines: string[] = []
  const heard = createLogger({ name: 'test', level: 'warn', destination: { write: (line) => void lines.push(line) } })
  const queue = openUsageQueue({ databaseUrl: null, natsUrl: null, redisUrl: 'redis://127.0.0.1:1' }, heard)
  await waitFor(() => lines.some((line) => line.includes('ECONNREFUSED')))
  await queue.close()
  await expect(queue.add(aBatch(1))).rejects.toThrow('away')
})
