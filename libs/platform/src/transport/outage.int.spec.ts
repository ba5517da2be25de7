import { createHash } from 'node:crypto'
import type { ChangeMessage, UsageBatch, WorkerStatus } from '@apigate/contracts'
import { aNatsServer, aRedisServer, createTestDatabase, waitFor, type ServerProcess } from '@apigate/testing'
import pg from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { createLogger } from '../logger.ts'
import {
  consumeUsageBatches,
  openConfigFeedReader,
  openConfigFeedWriter,
  openFleetBus,
  openUsageQueue,
  type Closeable,
  type TransportConfig,
} from './index.ts'

const log = createLogger({ name: 'test', level: 'silent' })
const epoch = crypto.randomUUID()
const slow = { timeoutMs: 20_000 }

const open: Closeable[] = []
const servers: ServerProcess[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()))
  await Promise.all(servers.splice(0).map((server) => server.remove()))
})

function opened<T extends Closeable>(one: T): T {
  open.push(one)
  return one
}

function aChange(revision: number): ChangeMessage {
  const items: ChangeMessage['items'] = [{ kind: 'key', op: 'delete', id: `key_${revision}` }]
  return { v: 1, epoch, revision, part: 0, parts: 1, atMs: 1, items }
}

const aStatus: WorkerStatus = {
  ...{ v: 1, worker: 'w1', epoch: 1, version: '0', configEpoch: null, revision: null, problem: null, ready: false },
  ...{ draining: false, inFlight: 0, rssBytes: 0, spoolEvents: 0, atMs: 1 },
}

function aBatch(first: number): UsageBatch {
  return { v: 2, worker: 'w1', epoch: 1, first, last: first, rows: '(1)' }
}

describe('NATS', () => {
  test('parts that start without it work once it comes, and again after it was killed and its data lost', async () => {
    const server = await aNatsServer()
    servers.push(server)
    const config: TransportConfig = { databaseUrl: null, natsUrl: server.url, redisUrl: null }
    const reader = opened(openConfigFeedReader(config, log))
    const writer = opened(openConfigFeedWriter(config, log))
    const bus = opened(openFleetBus(config, log))
    const seen: number[] = []
    const pointers: number[] = []
    const states: boolean[] = []
    const statuses: WorkerStatus[] = []
    await reader.follow(0, {
      onChange: (change) => seen.push(change.revision),
      onSnapshot: (pointer) => pointers.push(pointer.revision),
      onConnected: (connected) => states.push(connected),
      onCaughtUp() {},
    })
    await bus.onStatus((status) => statuses.push(status))
    bus.sendStatus(aStatus)
    await expect(writer.head()).rejects.toThrow('away')
    expect(states).toEqual([false])

    const publish = async (revision: number): Promise<void> => {
      await waitFor(() => writer.head().then(() => true), slow)
      await writer.publishChange(aChange(revision))
      const body = Buffer.from(`snapshot ${revision}`)
      const sha256 = createHash('sha256').update(body).digest('hex')
      await writer.putSnapshot({ v: 1, epoch, revision, sha256, bytes: body.length, atMs: 1 }, body)
    }
    const sendUntilSeen = (count: number): Promise<unknown> =>
      waitFor(() => {
        bus.sendStatus(aStatus)
        return statuses.length >= count
      }, slow)

    await server.start()
    await publish(1)
    await waitFor(() => seen.includes(1) && pointers.includes(1), slow)
    await sendUntilSeen(1)
    expect(states).toEqual([false, true])

    // Killed and started again: the data is there.
    await server.kill()
    await waitFor(() => states.at(-1) === false, slow)
    await server.start()
    await publish(2)
    await waitFor(() => seen.includes(2) && pointers.includes(2), slow)

    // Lost with its data: the writer makes everything again, and the reader does not wait behind the old numbers.
    const { length } = statuses
    await server.remove()
    await server.start()
    await publish(3)
    await waitFor(() => seen.includes(3) && pointers.includes(3), slow)
    await sendUntilSeen(length + 1)
    expect(states).toEqual([false, true, false, true, false, true])
  }, 60_000)
})

describe('NATS', () => {
  // nats-server 2.9.10 ended with a nil pointer here, when the pointer was read by STREAM.MSG.GET.
  test('the pointer can be read while it moves, without ever being missed', async () => {
    const server = await aNatsServer()
    servers.push(server)
    await server.start()
    const config: TransportConfig = { databaseUrl: null, natsUrl: server.url, redisUrl: null }
    const writer = opened(openConfigFeedWriter(config, log))
    const body = Buffer.from('the same body')
    const sha256 = createHash('sha256').update(body).digest('hex')
    const put = (revision: number): Promise<void> =>
      writer.putSnapshot({ v: 1, epoch, revision, sha256, bytes: body.length, atMs: 1 }, body)
    await waitFor(() => put(1).then(() => true), slow)

    const moving = new AbortController()
    const reading = Array.from({ length: 4 }, async () => {
      const reader = opened(openConfigFeedReader(config, log))
      const seen: (number | undefined)[] = []
      while (!moving.signal.aborted) seen.push((await reader.latestSnapshot())?.pointer.revision)
      return seen
    })
    for (let revision = 2; revision <= 200; revision += 1) await put(revision)
    moving.abort()
    for (const seen of await Promise.all(reading)) {
      expect(seen).not.toContain(undefined)
      expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(seen)
      expect(new Set(seen).size).toBeGreaterThan(5)
    }
  }, 60_000)
})

describe('Redis', () => {
  test('adding fails fast while it is away, and both ends go on when it is back', async () => {
    const server = await aRedisServer()
    servers.push(server)
    const config: TransportConfig = { databaseUrl: null, natsUrl: null, redisUrl: server.url }
    const queue = opened(openUsageQueue(config, log))
    const seen: number[] = []
    opened(consumeUsageBatches(config, log, async (batch) => void seen.push(batch.first), { concurrency: 2 }))
    await expect(queue.add(aBatch(1))).rejects.toThrow('away')

    await server.start()
    await waitFor(() => queue.add(aBatch(1)).then(() => true), slow)
    await waitFor(() => seen.includes(1), slow)

    await server.kill()
    const startedMs = performance.now()
    await expect(queue.add(aBatch(2))).rejects.toThrow(/Stream|Connection|answer|timed out/)
    expect(performance.now() - startedMs).toBeLessThan(6_000)

    await server.start()
    await waitFor(() => queue.add(aBatch(3)).then(() => true), slow)
    await waitFor(() => seen.includes(3), slow)
  }, 60_000)
})

describe('PostgreSQL', () => {
  test('bus and queue go on after every connection was ended', async () => {
    const database = await createTestDatabase()
    const config: TransportConfig = { databaseUrl: database.url, natsUrl: null, redisUrl: null }
    const bus = opened(openFleetBus(config, log))
    const queue = opened(openUsageQueue(config, log))
    const seen: number[] = []
    const marks: number[] = []
    opened(consumeUsageBatches(config, log, async (batch) => void seen.push(batch.first), { concurrency: 2 }))
    await bus.onMark('w1', (mark) => marks.push(mark.seq))
    const markUntilSeen = (seq: number): Promise<unknown> =>
      waitFor(() => {
        bus.sendMark({ v: 1, worker: 'w1', epoch: 1, first: 1, seq })
        bus.sendMark({ v: 1, worker: 'another', epoch: 1, first: 1, seq: 1_000 })
        return marks.includes(seq)
      }, slow)
    try {
      await waitFor(() => queue.add(aBatch(1)).then(() => true), slow)
      await waitFor(() => seen.includes(1), slow)
      await markUntilSeen(1)

      const admin = new pg.Client(database.url)
      await admin.connect()
      await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      )
      await admin.end()

      await waitFor(() => queue.add(aBatch(2)).then(() => true), slow)
      await waitFor(() => seen.includes(2), slow)
      await markUntilSeen(2)
      expect(marks).not.toContain(1_000)
    } finally {
      await Promise.all(open.splice(0).map((one) => one.close()))
      await database.drop()
    }
  }, 60_000)
})
