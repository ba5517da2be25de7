import { createLogger, openConfigFeedWriter, readChanges } from '@apigate/platform'
import { aNatsWire, waitFor, type NatsWire } from '@apigate/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { slow, startRig, type Rig } from './config.rig.ts'

type ChangeMessage = Awaited<ReturnType<typeof readChanges>>[number]

const stream = 'APIGATE_CONFIG'
const subject = 'apigate.config.change.v1'

let rig: Rig
beforeEach(async () => {
  rig = await startRig()
})
afterEach(() => rig?.stop())

describe('messages', () => {
  let wire: NatsWire

  /** The feed has the first snapshot, a worker has loaded it, and nobody publishes but the test. */
  async function withoutPublisher() {
    const publisher = rig.startPublisher()
    await waitFor(() => publisher.state.snapshot && publisher.state.position, slow)
    await publisher.onModuleDestroy()
    wire = await aNatsWire(rig.nats.url)
    const worker = await rig.startWorker()
    await rig.isUpToDate(worker)
    return worker
  }
  afterEach(() => wire?.close())

  const changesAfter = (revision: number): Promise<ChangeMessage[]> => readChanges(rig.database.pool, revision)
  const send = (...messages: (ChangeMessage | string)[]): Promise<void> =>
    wire.publish(
      subject,
      messages.map((message) => (typeof message === 'string' ? message : JSON.stringify(message))),
    )

  test('a gap stops nothing that is live, is told, and is bridged by the next snapshot', async () => {
    const worker = await withoutPublisher()
    const [first, second, third] = [await rig.makeKey(), await rig.makeKey(), await rig.makeKey()]
    const [one, , three] = await changesAfter(first.revision - 1)
    await send(one!, three!)
    await waitFor(() => worker.live.problem, slow)
    expect(worker.live.problem).toContain('gap')
    expect(worker.live.current?.revision).toBe(first.revision)
    expect([first, second, third].map(({ clear }) => worker.admits(clear))).toEqual([true, false, false])

    rig.startPublisher(1)
    await rig.makeKey()
    await rig.isUpToDate(worker)
    expect([first, second, third].map(({ clear }) => worker.admits(clear))).toEqual([true, true, true])
  })

  test('a duplicate, also of a change that another has overtaken, changes nothing', async () => {
    const worker = await withoutPublisher()
    const key = await rig.makeKey()
    await rig.revokeKey(key.id)
    const [made, revoked] = await changesAfter(key.revision - 1)
    await send(made!, made!, revoked!, made!, revoked!, made!)
    const next = await rig.makeKey()
    const [last] = await changesAfter(next.revision - 1)
    await send(last!)
    await rig.isUpToDate(worker)
    expect([worker.admits(key.clear), worker.admits(next.clear)]).toEqual([false, true])
  })

  test('messages out of order are applied in order, without waiting for a snapshot', async () => {
    const worker = await withoutPublisher()
    const key = await rig.makeKey()
    await rig.revokeKey(key.id)
    await rig.makeKey()
    const [made, revoked, other] = await changesAfter(key.revision - 1)
    await send(revoked!, other!)
    await waitFor(() => worker.live.problem?.includes('gap'), slow)
    await send(made!)
    await rig.isUpToDate(worker)
    expect(worker.admits(key.clear)).toBe(false)
  })

  test('parts out of order, or twice, make the same revision', async () => {
    const worker = await withoutPublisher()
    const keys = [await rig.makeKey(), await rig.makeKey()]
    const [one, two] = await changesAfter(keys[0]!.revision - 1)
    const part = (of: ChangeMessage, n: number): ChangeMessage => ({ ...one!, items: of.items, part: n, parts: 2 })
    await send(part(two!, 1), part(two!, 1))
    await send(part(one!, 0), { ...two!, items: [] })
    await rig.isUpToDate(worker)
    expect(keys.map(({ clear }) => worker.admits(clear))).toEqual([true, true])
  })

  test.each([
    ['no JSON', (): string => '{"v":1'],
    ['another contract', (): string => '{"v":9}'],
    [
      'an envelope without its number',
      (change: ChangeMessage): string => JSON.stringify({ ...change, revision: null }),
    ],
    ['a list of what are no items', (change: ChangeMessage): string => JSON.stringify({ ...change, items: [7] })],
  ])('a message that is %s is as if it had not come: a gap, which a snapshot bridges', async (_name, corrupted) => {
    const worker = await withoutPublisher()
    const [key, next] = [await rig.makeKey(), await rig.makeKey()]
    const [bad, good] = await changesAfter(key.revision - 1)
    await send(corrupted(bad!), good!)
    await waitFor(() => worker.live.problem?.includes('gap'), slow)
    expect(worker.live.current?.revision).toBe(key.revision - 1)
    rig.startPublisher(1)
    await rig.makeKey()
    await rig.isUpToDate(worker)
    expect([key, next].map(({ clear }) => worker.admits(clear))).toEqual([true, true])
  })

  test('an item that was damaged on the way is left out and told, and the next snapshot repairs it', async () => {
    const worker = await withoutPublisher()
    const key = await rig.makeKey()
    const [change] = await changesAfter(key.revision - 1)
    const damaged = JSON.stringify(change).replace(/"digest":"./, '"digest":"')
    await send(damaged)
    await waitFor(() => worker.live.problem?.includes(key.id), slow)
    expect(worker.live.current?.revision).toBe(key.revision - 1)
    rig.startPublisher(1)
    await rig.makeKey()
    await rig.isUpToDate(worker)
    expect(worker.admits(key.clear)).toBe(true)
  })

  test('a snapshot whose body was damaged is not used: the copy on disk is, then a good one', async () => {
    await (await withoutPublisher()).close()
    const writer = openConfigFeedWriter(rig.transport, createLogger({ name: 'test', level: 'silent' }))
    const { epoch, revision } = await rig.head()
    const pointer = { v: 1, epoch, revision: revision + 1, sha256: 'a'.repeat(64), bytes: 3, atMs: Date.now() } as const
    await writer.putSnapshot(pointer, Buffer.from('bad'))
    await writer.close()
    const worker = await rig.startWorker()
    expect(worker.live.current?.revision).toBe(revision)
    const key = await rig.makeKey()
    await rig.makeKey()
    rig.startPublisher(1)
    await rig.isUpToDate(worker)
    expect(worker.admits(key.clear)).toBe(true)
  })

  test('behind the older of two snapshots the stream is trimmed; who was away longer starts from a snapshot', async () => {
    const worker = await withoutPublisher()
    const before = worker.live.current?.revision ?? 0
    await worker.close()
    const publisher = rig.startPublisher(5)
    const snapshots = new Set<number>()
    while (snapshots.size < 3) {
      const { revision } = await rig.makeKey()
      await waitFor(() => publisher.state.position?.revision === revision, slow)
      snapshots.add(publisher.state.snapshot?.revision ?? 0)
    }
    const older = [...snapshots].toSorted((a, b) => a - b)[1]!
    await waitFor(async () => {
      const first = (await wire.firstMessage(stream)) ?? '{}'
      return (JSON.parse(first) as ChangeMessage).revision === older + 1
    }, slow)
    expect(older).toBeGreaterThan(before)
    await rig.isUpToDate(await rig.startWorker())
  })
})

describe('servers', () => {
  test('NATS is killed and started again: what was written meanwhile arrives, what was live stayed so', async () => {
    rig.startPublisher()
    const worker = await waitForWorker()
    const key = await rig.makeKey()
    await rig.isUpToDate(worker)
    await rig.nats.kill()
    const meanwhile = await rig.makeKey()
    await rig.revokeKey(key.id)
    expect([worker.admits(key.clear), worker.admits(meanwhile.clear)]).toEqual([true, false])
    await rig.nats.start()
    await rig.isUpToDate(worker)
    expect([worker.admits(key.clear), worker.admits(meanwhile.clear)]).toEqual([false, true])
  })

  test('NATS loses all its data: it is made again, and workers go on, those that start with it empty included', async () => {
    const publisher = rig.startPublisher()
    const worker = await waitForWorker()
    const key = await rig.makeKey()
    await rig.isUpToDate(worker)
    await (await rig.startWorker('w2')).close()
    await waitFor(() => publisher.state.problem === null, slow)
    await rig.nats.remove()
    await rig.nats.start()
    // With the copy of its first life, until the feed is made again.
    const other = await rig.startWorker('w2')
    expect(other.live.current).not.toBeNull()
    await rig.revokeKey(key.id)
    const next = await rig.makeKey()
    for (const each of [worker, other]) {
      await rig.isUpToDate(each)
      expect([each.admits(key.clear), each.admits(next.clear)]).toEqual([false, true])
    }
  })

  test('the stream alone is lost: no change is', async () => {
    rig.startPublisher()
    const worker = await waitForWorker()
    const key = await rig.makeKey()
    await rig.isUpToDate(worker)
    const wire = await aNatsWire(rig.nats.url)
    await wire.deleteStream(stream)
    await wire.close()
    await rig.revokeKey(key.id)
    await rig.makeKey()
    await rig.isUpToDate(worker)
    expect(worker.admits(key.clear)).toBe(false)
  })

  test('a database that is rolled back begins a new epoch: workers forget what it has lost', async () => {
    const first = rig.startPublisher()
    const worker = await waitForWorker()
    const kept = await rig.makeKey()
    const [lost, alsoLost] = [await rig.makeKey(), await rig.makeKey()]
    await rig.isUpToDate(worker)
    const { epoch } = await rig.head()
    await first.onModuleDestroy()

    await rig.restoreTo(kept.revision, [lost.id, alsoLost.id])
    // The same numbers for other contents: what would be taken for known without an epoch.
    const others = [await rig.makeKey(), await rig.makeKey()]
    rig.startPublisher()
    await waitFor(async () => (await rig.head()).epoch !== epoch, slow)
    await rig.isUpToDate(worker)
    const keys = [kept, lost, alsoLost, ...others]
    expect(keys.map(({ clear }) => worker.admits(clear))).toEqual([true, false, false, true, true])
  })

  test('of several publishers one publishes; when it dies another takes over, and workers miss and repeat nothing', async () => {
    const publishers = [rig.startPublisher(), rig.startPublisher(), rig.startPublisher()]
    const roles = (): string[] => publishers.map(({ state }) => state.role).toSorted()
    await waitFor(() => roles().join() === 'owner,standby,standby', slow)
    const worker = await waitForWorker()
    const applied: number[] = []
    worker.live.onChange = () => void applied.push(worker.live.current?.revision ?? -1)
    for (let takeover = 0; takeover < 3; takeover++) {
      await rig.makeKey()
      const { rowCount } = await rig.database.pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
         WHERE locktype = 'advisory' AND granted AND application_name = 'apigate-config-publisher'
           AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      )
      expect(rowCount).toBe(1)
      await rig.makeKey()
      await rig.isUpToDate(worker)
      await waitFor(() => roles().join() === 'owner,standby,standby', slow)
    }
    expect(applied).toEqual(applied.toSorted((a, b) => a - b))
    expect((await rig.head()).epoch).toBe(worker.live.current?.epoch)
  })

  async function waitForWorker() {
    const worker = await rig.startWorker()
    await waitFor(() => worker.live.current, slow)
    await rig.isUpToDate(worker)
    return worker
  }
})
