import { randomBytes } from 'node:crypto'
import type { UsageBatch } from '@apigate/contracts'
import { createTestDatabase, testServers, waitFor, type TestDatabase } from '@apigate/testing'
import { Queue } from 'bullmq'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createLogger } from '../../logger.ts'
import { consumeUsageBatches, openUsageQueue, type Closeable, type TransportConfig, type UsageQueue } from '../index.ts'
import { producerBackend } from './queue.backend.ts'

const log = createLogger({ name: 'test', level: 'silent' })

function aBatch(first: number, worker = 'w-1.a'): UsageBatch {
  return {
    v: 1,
    worker,
    epoch: 1_700_000_000_000,
    first,
    last: first + 1,
    events: '[{"seq":1,"path":"/\\u0000 \\"x"}]',
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
  })
  afterAll(async () => {
    await inspect((queue) => queue.obliterate({ force: true }))
  })

  function queue(): UsageQueue {
    const made = openUsageQueue(config, log)
    open.push(made)
    return made
  }
  function consume(handler: (batch: UsageBatch) => Promise<void>, concurrency = 1): Closeable {
    const made = consumeUsageBatches(config, log, handler, { concurrency })
    open.push(made)
    return made
  }
  async function inspect<T>(ask: (queue: Queue) => Promise<T>): Promise<T> {
    const { options, factory } = producerBackend(config)
    const bull = new Queue('apigate-usage', options, factory) as unknown as Queue
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

  test('a handler that fails is asked again; one whose database is away spends no attempt', async () => {
    const attempts: string[] = []
    consume(async () => {
      const step = attempts.length
      attempts.push(step === 0 ? 'fails' : step === 1 ? 'away' : 'done')
      if (step === 0) throw new Error('once')
      if (step === 1) throw new Error('wrapped', { cause: Object.assign(new Error('x'), { code: '57P01' }) })
    })
    await add(queue(), aBatch(20))
    await waitFor(() => attempts.includes('done'), { timeoutMs: 15_000 })
    expect(attempts).toEqual(['fails', 'away', 'done'])
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
