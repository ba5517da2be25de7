import { symlinkSync } from 'node:fs'
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import { createLogger } from '@apigate/platform'
import { aUsageDraft, usageEventsIn } from '@apigate/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openUsageSpool, type UsageEventDraft, type UsageSpool, type UsageSpoolOptions } from './index.ts'

const log = createLogger({ name: 'test', level: 'silent' })
const opened: UsageSpool[] = []
let dir: string

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'apigate spool '))
})
afterEach(async () => {
  for (const spool of opened.splice(0)) await spool.close()
  await rm(dir, { recursive: true })
})

async function open(options: Partial<UsageSpoolOptions> = {}): Promise<UsageSpool> {
  const spool = await openUsageSpool({
    dir,
    worker: 'w-1',
    segmentBytesMax: 2 ** 20,
    diskBytesMax: 2 ** 30,
    log,
    ...options,
  })
  opened.push(spool)
  return spool
}

/** Records events in one turn of the event loop; resolves when the last was let go. */
function record(spool: UsageSpool, count: number, fields: Partial<UsageEventDraft> = {}): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  for (let n = 1; n <= count; n += 1) spool.record(aUsageDraft(fields), n === count ? resolve : () => {})
  return promise
}

const folderOf = (spool: UsageSpool, worker = 'w-1'): string => path.join(dir, 'spool', `${worker}_${spool.epoch}`)

async function filesOf(spool: UsageSpool): Promise<string[]> {
  return (await readdir(folderOf(spool))).toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
}

/** The sequence numbers that the spool holds and has not seen acknowledged, by epoch. */
async function held(spool: UsageSpool): Promise<Record<string, number[]>> {
  const result: Record<string, number[]> = {}
  for (const epoch of spool.epochs) {
    const seqs: number[] = []
    for (let run = epoch.unacknowledged.runFrom(1); run; run = epoch.unacknowledged.runFrom((seqs.at(-1) ?? 0) + 1)) {
      const rows = await spool.batchRows(epoch, run.first, run.last)
      for (const { seq } of rows === null ? [] : usageEventsIn({ ...epoch, rows })) seqs.push(seq)
    }
    result[epoch.epoch] = seqs
  }
  return result
}

test('an event is in the file when its answer is let go, and not let go before', async () => {
  const spool = await open()
  let isWritten = false
  spool.record(aUsageDraft({ request_id: 'one' }), () => (isWritten = true))
  expect(isWritten).toBe(false)
  await record(spool, 1, { request_id: 'two' })
  expect(isWritten).toBe(true)
  const lines = (await readFile(path.join(folderOf(spool), '1.log'), 'utf8')).trimEnd().split('\n')
  expect(lines.flatMap((line) => usageEventsIn({ worker: 'w-1', epoch: spool.epoch, rows: line.slice(9) }))).toEqual([
    { seq: 1, id: `evt_w-1_${spool.epoch}_1`, ...aUsageDraft({ request_id: 'one' }) },
    { seq: 2, id: `evt_w-1_${spool.epoch}_2`, ...aUsageDraft({ request_id: 'two' }) },
  ])
})

test('an answer that throws when it is let go does not hold up the others', async () => {
  const spool = await open()
  spool.record(aUsageDraft(), () => {
    throw new Error('the socket is gone')
  })
  await record(spool, 1)
  expect(spool.pendingEvents).toBe(2)
})

test('a restart takes over what earlier starts left, also under another worker name', async () => {
  const first = await open({ worker: 'old.name_1' })
  await record(first, 3)
  await first.close()
  const second = await open()
  await record(second, 2)
  await second.close()
  const third = await open()
  expect(await held(third)).toEqual({ [first.epoch]: [1, 2, 3], [second.epoch]: [1, 2], [third.epoch]: [] })
  expect(third.workers).toEqual(['old.name_1', 'w-1'])
  third.acknowledge({ v: 1, worker: 'old.name_1', epoch: first.epoch, first: 1, seq: 3 })
  third.acknowledge({ v: 1, worker: 'w-1', epoch: second.epoch, first: 1, seq: 1 })
  expect(third.pendingEvents).toBe(1)
  await vi.waitFor(async () => expect(await readdir(path.join(dir, 'spool'))).toHaveLength(3))
})

test('events that an older version has left as JSON are shipped as rows', async () => {
  const first = await open()
  await first.close()
  const line = (seq: number): string => {
    const json = JSON.stringify({ seq, id: `evt_w-1_${first.epoch}_${seq}`, ...aUsageDraft({ path: '/ü "(x),' }) })
    return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`
  }
  await writeFile(path.join(folderOf(first), '1.log'), line(1) + line(2))
  const second = await open()
  const rows = await second.batchRows(second.epochs[0]!, 1, 2)
  expect(usageEventsIn({ ...first, worker: 'w-1', rows: rows ?? '' })).toMatchObject([
    { seq: 1, ...aUsageDraft({ path: '/ü "(x),' }) },
    { seq: 2, id: `evt_w-1_${first.epoch}_2` },
  ])
  expect(await second.oldestReceivedMs()).toBe(Date.parse(aUsageDraft().created_at))
})

test('the epoch grows with every start, whatever the clock says', async () => {
  const first = await open({ epochFloorMs: Date.now() + 86_400_000 })
  await first.close()
  const second = await open()
  expect(second.epoch).toBe(first.epoch + 1)
})

describe('what a crash leaves', () => {
  test('a torn last record is left out, everything before it is kept', async () => {
    const first = await open()
    await record(first, 5)
    await first.close()
    const file = path.join(folderOf(first), '1.log')
    const content = await readFile(file)
    await writeFile(file, content.subarray(0, content.length - 7))
    expect(await held(await open())).toMatchObject({ [first.epoch]: [1, 2, 3, 4] })
  })

  test('a record that does not match its checksum is left out, and so is garbage', async () => {
    const first = await open()
    await record(first, 5, { request_id: 'abc' })
    await first.close()
    const file = path.join(folderOf(first), '1.log')
    const lines = (await readFile(file, 'utf8')).split('\n')
    lines[2] = lines[2]?.replace(',abc,', ',abd,') ?? ''
    lines.splice(4, 0, 'garbage', '')
    await writeFile(file, lines.join('\n'))
    await writeFile(path.join(folderOf(first), 'notes.txt'), 'not ours')
    expect(await held(await open())).toMatchObject({ [first.epoch]: [1, 2, 4, 5] })
  })

  test('a segment without one good record is no reason to fail', async () => {
    const first = await open()
    await first.close()
    await writeFile(path.join(folderOf(first), '1.log'), Buffer.alloc(4096))
    const second = await open()
    expect(second.pendingEvents).toBe(0)
  })
})

describe('acknowledged events', () => {
  test('their segments are deleted, the one that is written to stays', async () => {
    const spool = await open({ segmentBytesMax: 1 })
    for (let n = 1; n <= 4; n += 1) await record(spool, 2)
    expect(await filesOf(spool)).toEqual(['1.log', '3.log', '5.log', '7.log'])
    spool.acknowledge({ v: 1, worker: 'w-1', epoch: spool.epoch, first: 1, seq: 5 })
    await vi.waitFor(async () => expect(await filesOf(spool)).toEqual(['5.log', '7.log']))
    expect(await held(spool)).toEqual({ [spool.epoch]: [6, 7, 8] })
  })

  test('a clean stop leaves no file when everything is acknowledged', async () => {
    const spool = await open()
    await record(spool, 2)
    spool.acknowledge({ v: 1, worker: 'w-1', epoch: spool.epoch, first: 1, seq: 2 })
    await spool.close()
    expect(await filesOf(spool)).toEqual([])
  })

  test('marks of another worker or epoch, and beyond what is there, change nothing', async () => {
    const spool = await open()
    await record(spool, 2)
    spool.acknowledge({ v: 1, worker: 'w-2', epoch: spool.epoch, first: 1, seq: 2 })
    spool.acknowledge({ v: 1, worker: 'w-1', epoch: spool.epoch - 1, first: 1, seq: 2 })
    spool.acknowledge({ v: 1, worker: 'w-1', epoch: spool.epoch, first: 3, seq: 9 })
    await record(spool, 2)
    expect(await held(spool)).toEqual({ [spool.epoch]: [1, 2, 3, 4] })
  })
})

describe('what cannot be kept', () => {
  test('is counted and keeps its number when the bound is reached; the answers go out', async () => {
    const spool = await open({ segmentBytesMax: 1, diskBytesMax: 1_200 })
    await record(spool, 5)
    await record(spool, 5)
    expect(spool.lostEvents).toBe(5)
    spool.acknowledge({ v: 1, worker: 'w-1', epoch: spool.epoch, first: 1, seq: 5 })
    await record(spool, 2)
    expect(await held(spool)).toEqual({ [spool.epoch]: [11, 12] })
    spool.acknowledge({ v: 1, worker: 'w-1', epoch: spool.epoch, first: 11, seq: 12 })
    expect(spool.pendingEvents, 'the gap does not hold up what came after it').toBe(0)
  })

  test('is counted while the folder cannot be written, and events are kept again as soon as it can', async () => {
    const spool = await open()
    await rm(folderOf(spool), { recursive: true })
    await writeFile(folderOf(spool), 'in the way')
    await record(spool, 3)
    expect(spool.lostEvents).toBe(3)
    await rm(folderOf(spool))
    await record(spool, 2)
    expect(await held(spool)).toEqual({ [spool.epoch]: [4, 5] })
  })

  test('is counted when its file is gone from the disk; the rest is still shipped', async () => {
    const first = await open({ segmentBytesMax: 1 })
    for (let n = 1; n <= 3; n += 1) await record(first, 2)
    await first.close()
    const second = await open()
    await rm(path.join(folderOf(first), '3.log'))
    expect(await held(second)).toMatchObject({ [first.epoch]: [1, 2, 5, 6] })
    expect(second.lostEvents).toBe(2)
  })

  test('a record after the close is counted', async () => {
    const spool = await open()
    await spool.close()
    await record(spool, 1)
    expect(spool.lostEvents).toBe(1)
  })
})

describe('the folder', () => {
  test('belongs to one process', async () => {
    await open()
    await expect(open()).rejects.toThrow(/is held by process \d+: every worker needs a data folder of its own/)
  })

  test('is free after a clean stop', async () => {
    await (await open()).close()
    await expect(open()).resolves.toBeDefined()
  })

  test('is taken over from a process that is gone, also when its number lives again', async () => {
    await (await open()).close()
    symlinkSync(`${process.pid}:1`, path.join(dir, 'spool', 'lock'))
    await (await open()).close()
    symlinkSync(`4194304:1`, path.join(dir, 'spool', 'lock'))
    await expect(open()).resolves.toBeDefined()
  })

  test('is not used for a worker whose name is no name', async () => {
    for (const worker of ['', '../x', 'a b', 'a'.repeat(65)]) {
      await expect(open({ worker })).rejects.toThrow(/worker id/)
    }
  })

  test('that cannot be made is a clear error', async () => {
    await appendFile(path.join(dir, 'file'), '')
    await expect(open({ dir: path.join(dir, 'file') })).rejects.toThrow(/cannot use the spool folder .*ENOTDIR/)
  })
})

test('the oldest event that the ledger lacks is told by the time of its request, across a restart', async () => {
  const spool = await open()
  expect(await spool.oldestReceivedMs()).toBeNull()
  await record(spool, 300, { created_at: '2026-01-01T00:00:00.000Z' })
  await record(spool, 1, { created_at: '2026-01-02T00:00:00.000Z' })
  expect(await spool.oldestReceivedMs()).toBe(Date.UTC(2026, 0, 1))
  spool.acknowledge({ v: 1, worker: 'w-1', epoch: spool.epoch, first: 1, seq: 300 })
  expect(await spool.oldestReceivedMs()).toBe(Date.UTC(2026, 0, 2))
  await spool.close()

  const next = await open()
  await record(next, 1, { created_at: '2026-01-03T00:00:00.000Z' })
  // The file is whole until the ledger has all of it, and is sent again.
  expect(await next.oldestReceivedMs()).toBe(Date.UTC(2026, 0, 1))
  next.acknowledge({ v: 1, worker: 'w-1', epoch: spool.epoch, first: 1, seq: 301 })
  expect(await next.oldestReceivedMs()).toBe(Date.UTC(2026, 0, 3))
})
