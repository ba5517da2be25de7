import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { UsageBatch, UsageMark } from '@apigate/contracts'
import { createLogger, type UsageQueue } from '@apigate/platform'
import { aUsageDraft, usageEventsIn, waitFor } from '@apigate/testing'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  openUsageSpool,
  startUsageShipper,
  type UsageEventDraft,
  type UsageShipper,
  type UsageShipperOptions,
  type UsageSpool,
  type UsageSpoolOptions,
} from './index.ts'

const log = createLogger({ name: 'test', level: 'silent' })
let dir: string
let spool: UsageSpool
let shipper: UsageShipper | null = null

/** A queue that keeps what it takes, in order, and can be away. */
class FakeQueue implements UsageQueue {
  readonly taken: UsageBatch[] = []
  calls = 0
  isAway = false
  onTaken: (batch: UsageBatch) => void = () => {}

  add(batch: UsageBatch): Promise<void> {
    this.calls += 1
    if (this.isAway) return Promise.reject(new Error('away'))
    this.taken.push(batch)
    this.onTaken(batch)
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  get ranges(): number[][] {
    return this.taken.map(({ first, last }) => [first, last])
  }

  /** How often each event was taken. @throws when a batch does not carry what it says. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const batch of this.taken) {
      const events = usageEventsIn(batch)
      for (const [n, { seq, id }] of events.entries()) {
        if (seq !== batch.first + n) throw new Error(`batch ${batch.first} to ${batch.last} carries ${seq} at ${n}`)
        counts.set(id, (counts.get(id) ?? 0) + 1)
      }
      if (events.length !== batch.last - batch.first + 1) throw new Error(`batch ${batch.first} ends too early or late`)
    }
    return counts
  }
}

let queue: FakeQueue

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'apigate-shipper-'))
  queue = new FakeQueue()
  spool = await open()
})
afterEach(async () => {
  await shipper?.close()
  shipper = null
  await spool.close()
  await rm(dir, { recursive: true })
})

function open(options: Partial<UsageSpoolOptions> = {}): Promise<UsageSpool> {
  return openUsageSpool({ dir, worker: 'w-1', segmentBytesMax: 50_000, diskBytesMax: 2 ** 30, log, ...options })
}

function start(options: Partial<UsageShipperOptions> = {}): void {
  shipper = startUsageShipper({ spool, queue, log, resendAfterMs: 60_000, ...options })
}

function record(count: number, fields: Partial<UsageEventDraft> = {}): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  for (let n = 1; n <= count; n += 1) spool.record(aUsageDraft(fields), n === count ? resolve : () => {})
  return promise
}

const markOf = ({ worker, epoch, first, last }: UsageBatch): UsageMark => ({ v: 1, worker, epoch, first, seq: last })

test('events leave in order, in batches of at most the given size, the rest after the delay', async () => {
  start({ batchEventsMax: 100, batchDelayMs: 50 })
  await record(250)
  await vi.waitFor(() =>
    expect(queue.ranges).toEqual([
      [1, 100],
      [101, 200],
      [201, 250],
    ]),
  )
  await record(1)
  await vi.waitFor(() => expect(queue.ranges.slice(3)).toEqual([[251, 251]]))
  expect([...queue.counts().values()].every((count) => count === 1)).toBe(true)
})

test('a batch without a mark is sent again, the same and with growing pauses, until the mark comes', async () => {
  start({ batchDelayMs: 0, resendAfterMs: 20 })
  await record(3)
  await vi.waitFor(
    () =>
      expect(queue.ranges).toEqual([
        [1, 3],
        [1, 3],
        [1, 3],
      ]),
    { interval: 5 },
  )
  spool.acknowledge({ v: 1, worker: 'w-1', epoch: spool.epoch, first: 1, seq: 2 })
  await vi.waitFor(() => expect(queue.ranges.at(-1)).toEqual([3, 3]), { interval: 5 })
  spool.acknowledge({ v: 1, worker: 'w-1', epoch: spool.epoch, first: 1, seq: 3 })
  const { calls } = queue
  await record(1)
  await vi.waitFor(() => expect(queue.ranges.at(-1)).toEqual([4, 4]), { interval: 5 })
  expect(queue.calls).toBe(calls + 1)
})

test('while the queue is away events wait on disk, not in memory, and all arrive when it is back', async () => {
  queue.isAway = true
  start({ batchDelayMs: 0 })
  for (let n = 0; n < 12; n += 1) await record(1_000)
  await vi.waitFor(() => expect(queue.calls).toBeGreaterThan(1))
  queue.isAway = false
  await vi.waitFor(() => expect(queue.counts().size).toBe(12_000), { timeout: 10_000 })
  expect(queue.taken.map(({ first }) => first)).toEqual(queue.taken.map(({ first }) => first).toSorted((a, b) => a - b))
})

test('what an earlier start left is sent first, and its files go with the mark', async () => {
  await record(2_500)
  await spool.close()
  const { epoch } = spool
  spool = await open()
  queue.onTaken = (batch) => spool.acknowledge(markOf(batch))
  start({ batchDelayMs: 0 })
  await record(10)
  await vi.waitFor(() => expect(spool.pendingEvents).toBe(0))
  expect(queue.taken.map((batch) => [batch.epoch, batch.first, batch.last])).toEqual([
    [epoch, 1, 1000],
    [epoch, 1001, 2000],
    [epoch, 2001, 2500],
    [spool.epoch, 1, 10],
  ])
})

test('a ledger that acknowledges nothing does not fill the queue', async () => {
  start({ batchEventsMax: 100, batchDelayMs: 0, inFlightEventsMax: 300 })
  await record(1_000)
  await vi.waitFor(() => expect(queue.ranges).toHaveLength(3))
  await record(1)
  expect(queue.ranges.at(-1)).toEqual([201, 300])
  spool.acknowledge({ v: 1, worker: 'w-1', epoch: spool.epoch, first: 1, seq: 100 })
  await vi.waitFor(() => expect(queue.ranges.at(-1)).toEqual([301, 400]))
})

test('batches that the ledger never takes do not hold up those after them', async () => {
  start({ batchEventsMax: 10, batchDelayMs: 0, inFlightEventsMax: 20, resendAfterMs: 1 })
  queue.onTaken = (batch) => batch.first > 20 && setImmediate(() => spool.acknowledge(markOf(batch)))
  await record(200)
  await waitFor(() => queue.counts().size === 200 && spool.pendingEvents === 20)
  await record(100)
  await waitFor(() => queue.counts().size === 300 && spool.pendingEvents === 20)
  spool.acknowledge({ v: 1, worker: 'w-1', epoch: spool.epoch, first: 1, seq: 20 })
  expect(spool.pendingEvents).toBe(0)
})

test('a ledger that stays away is sent one batch more in a while, not all there is', async () => {
  start({ batchEventsMax: 10, batchDelayMs: 0, inFlightEventsMax: 20, resendAfterMs: 1 })
  await record(200)
  await waitFor(() => queue.ranges.some(([first]) => first === 31))
  const sends = (first: number): number => queue.ranges.filter((range) => range[0] === first).length
  expect(sends(21)).toBeGreaterThanOrEqual(4)
  expect(sends(41)).toBe(0)
})

test('an event that could not be kept leaves a gap between batches, never a wrong number in one', async () => {
  await spool.close()
  spool = await open({ diskBytesMax: 20_000 })
  start({ batchEventsMax: 2, batchDelayMs: 0 })
  await record(2)
  await waitFor(() => queue.taken.length === 1)
  await record(1, { path: '/'.repeat(20_000) })
  expect(spool.lostEvents).toBe(1)
  await record(3)
  await waitFor(() => queue.counts().size === 5)
  expect(queue.ranges.flat()).not.toContain(3)
})

test('a file that is gone from the disk takes only its own events with it', async () => {
  for (let n = 0; n < 3; n += 1) await record(100, { path: '/'.repeat(1_000) })
  await spool.close()
  const { epoch } = spool
  spool = await open()
  await rm(path.join(dir, 'spool', `w-1_${epoch}`, '101.log'))
  queue.onTaken = (batch) => spool.acknowledge(markOf(batch))
  start({ batchDelayMs: 0 })
  await waitFor(() => spool.pendingEvents === 0)
  expect(queue.ranges).toEqual([
    [1, 100],
    [201, 300],
  ])
  expect(spool.lostEvents).toBe(100)
})

test('close sends what is left at once', async () => {
  start({ batchDelayMs: 60_000 })
  await record(2_100)
  await shipper?.close()
  expect(queue.ranges).toEqual([
    [1, 1000],
    [1001, 2000],
    [2001, 2100],
  ])
})

test('close waits for a queue that is away only so long', async () => {
  queue.isAway = true
  start({ batchDelayMs: 0, closeTimeoutMs: 50 })
  await record(1)
  await shipper?.close()
  expect(spool.pendingEvents).toBe(1)
})

test('close does not wait for a queue that never answers', async () => {
  queue.add = () => new Promise(() => {})
  start({ batchDelayMs: 0, closeTimeoutMs: 50 })
  await record(1)
  await shipper?.close()
  expect(spool.pendingEvents).toBe(1)
})

type Fate = 'marked' | 'lost' | 'unmarked' | 'refused'

test('whatever the queue and the marks do, every event arrives and the spool ends up empty', async () => {
  const fate = fc.constantFrom<Fate>('marked', 'marked', 'marked', 'lost', 'unmarked', 'refused')
  const steps = fc.array(fc.record({ events: fc.integer({ min: 1, max: 60 }), restart: fc.boolean() }), {
    minLength: 1,
    maxLength: 6,
  })
  await fc.assert(
    fc.asyncProperty(steps, fc.array(fate, { maxLength: 20 }), async (turns, fates) => {
      await spool.close()
      spool = await open()
      const left = [...fates]
      const arrived = new Set<string>()
      const expected = new Set<string>()
      const add: UsageQueue['add'] = (batch) => {
        const next = left.shift() ?? 'marked'
        if (next === 'refused') return Promise.reject(new Error('away'))
        if (next !== 'lost') for (const { id } of usageEventsIn(batch)) arrived.add(id)
        if (next === 'marked') setImmediate(() => spool.acknowledge(markOf(batch)))
        return Promise.resolve()
      }
      const options = { batchEventsMax: 25, batchDelayMs: 1, resendAfterMs: 5 }
      start({ queue: { add, close: () => Promise.resolve() }, ...options })
      let seq = 0
      for (const { events, restart } of turns) {
        for (let n = 0; n < events; n += 1) expected.add(`evt_w-1_${spool.epoch}_${++seq}`)
        await record(events)
        if (!restart) continue
        await shipper?.close()
        await spool.close()
        spool = await open()
        seq = 0
        start({ queue: { add, close: () => Promise.resolve() }, ...options })
      }
      await vi.waitFor(() => expect(spool.pendingEvents).toBe(0), { timeout: 10_000, interval: 2 })
      expect(arrived).toEqual(expected)
      expect(spool.lostEvents).toBe(0)
      await shipper?.close()
    }),
    { numRuns: 30 },
  )
})
