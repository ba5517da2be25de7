import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { ConfigItem } from '@apigate/core'
import { createLogger, createSealer } from '@apigate/platform'
import { aRoute, waitFor } from '@apigate/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FakeFeed, packSnapshot } from '../../test/feed.fake.ts'
import { aCustomer, aRouteTo, encryptionKey, put } from '../../test/worker.fixture.ts'
import { ConfigSubscriber } from './config.subscriber.ts'
import { LiveTables } from './live.tables.ts'
import { SnapshotCopier } from './snapshot.copier.ts'
import { SnapshotDisk } from './snapshot.disk.ts'

let dataDir: string
let feed: FakeFeed
let live: LiveTables
const subscribers: ConfigSubscriber[] = []

beforeEach(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), 'apigate-subscriber-'))
  feed = new FakeFeed()
})
afterEach(async () => {
  for (const subscriber of subscribers.splice(0)) await subscriber.close()
  rmSync(dataDir, { recursive: true, force: true })
})

async function subscribe(): Promise<ConfigSubscriber> {
  live = new LiveTables()
  const subscriber = new ConfigSubscriber({
    feed,
    disk: new SnapshotDisk(dataDir),
    sealer: createSealer(encryptionKey),
    live,
    log: createLogger({ name: 'test', level: 'silent' }),
  })
  subscribers.push(subscriber)
  await subscriber.start()
  return subscriber
}

const customer = aCustomer({ rateLimitPerMinute: 60 })
const to = aRouteTo('http://127.0.0.1:9')
const items = [...customer.items, ...to.items]
const hasKey = (clear: string) => live.current !== null && live.current.keys.find(clear) !== -1
const routeOf = (path: string) => live.current?.routes.match('a', path, 'GET', () => undefined)?.route.config.id

test('loads the snapshot, then applies changes in order', async () => {
  feed.revision = 7
  feed.putSnapshot(items)
  await subscribe()
  expect(live.current).toMatchObject({ epoch: 'epoch-1', revision: 7 })
  expect(feed.follows.at(-1)!.revision).toBe(7)
  const next = aCustomer()
  feed.publish(...next.items)
  await waitFor(() => live.current!.revision === 8)
  expect(hasKey(next.key.clear)).toBe(true)
  feed.publish({ kind: 'key', op: 'delete', id: next.key.config.id })
  await waitFor(() => live.current!.revision === 9)
  expect(hasKey(next.key.clear)).toBe(false)
  expect(live.problem).toBeNull()
})

test('is caught up when all that the feed held at the start is live, not with the snapshot before it', async () => {
  feed.putSnapshot(items)
  const next = aCustomer()
  feed.publish(...next.items)
  feed.publish({ kind: 'key', op: 'delete', id: customer.key.config.id })
  feed.tellsEnd = false
  const subscriber = await subscribe()
  await waitFor(() => live.current!.revision === 2)
  expect(subscriber.isCaughtUp).toBe(false)
  const known: boolean[] = []
  live.onChange = () => known.push(subscriber.isCaughtUp)
  feed.publish(...to.items)
  feed.follows.at(-1)!.handlers.onCaughtUp()
  expect(subscriber.isCaughtUp).toBe(false)
  await waitFor(() => subscriber.isCaughtUp)
  expect(live.current!.revision).toBe(3)
  expect(known.at(-1)).toBe(true)
})

test('is caught up at once with the copy on disk: a feed that is away tells nothing', async () => {
  feed.putSnapshot(items)
  await subscribe()
  await subscribers.pop()!.close()
  feed.snapshot = new Error('away')
  feed.tellsEnd = false
  expect((await subscribe()).isCaughtUp).toBe(true)
})

test('a request keeps the routes that it started with', async () => {
  feed.putSnapshot(items)
  await subscribe()
  const started = live.current!
  feed.publish({ kind: 'route', op: 'delete', id: to.route.id })
  await waitFor(() => live.current!.revision === 1)
  expect(routeOf('/x')).toBeUndefined()
  expect(started.routes.match('a', '/x', 'GET', () => undefined)).not.toBeNull()
})

test('a repeat changes nothing, and parts count when all of them are there', async () => {
  feed.putSnapshot(items)
  await subscribe()
  const [first, second] = [aCustomer(), aCustomer()]
  const part = (n: number, of: ConfigItem[]) =>
    ({ v: 1, epoch: feed.epoch, revision: 1, part: n, parts: 2, atMs: 0, items: of }) as const
  feed.send(part(0, first.items))
  feed.send(part(0, first.items))
  expect(hasKey(first.key.clear)).toBe(false)
  feed.send(part(1, second.items))
  await waitFor(() => live.current!.revision === 1)
  expect(hasKey(first.key.clear) && hasKey(second.key.clear)).toBe(true)
  feed.send(part(0, [{ kind: 'key', op: 'delete', id: first.key.config.id }]))
  feed.send(part(1, []))
  feed.revision = 1
  feed.publish()
  await waitFor(() => live.current!.revision === 2)
  expect(hasKey(first.key.clear)).toBe(true)
})

test('a change of ten thousand keys is taken in over many turns of the event loop, and reported when all of it is live', async () => {
  feed.putSnapshot(items)
  await subscribe()
  const keys = Array.from({ length: 10_000 }, (_, index): ConfigItem => {
    const digest = createHash('sha256').update(String(index)).digest('base64')
    const key = { ...customer.key.config, id: `key_${index}`, digest }
    return put('key', key)
  })
  const sizes = [live.current!.keys.size]
  feed.publish(...keys)
  // A revocation right behind it keeps its place.
  feed.publish({ kind: 'key', op: 'delete', id: 'key_9999' })
  while (live.current!.revision < 2) {
    expect(live.current!.revision).toBe(0)
    sizes.push(live.current!.keys.size)
    await new Promise(setImmediate)
  }
  sizes.push(live.current!.keys.size)
  expect(sizes.at(-1)).toBe(sizes[0]! + 9_999)
  const perTurn = sizes.slice(1).map((size, index) => size - sizes[index]!)
  expect(Math.max(...perTurn)).toBeLessThanOrEqual(500)
  expect(live.problem).toBeNull()
})

test('a snapshot that comes while a change is taken in takes its place', async () => {
  feed.putSnapshot(items)
  await subscribe()
  const deletions = Array.from({ length: 5_000 }, (_, index): ConfigItem => ({
    kind: 'key',
    op: 'delete',
    id: `x_${index}`,
  }))
  feed.publish(...deletions, { kind: 'key', op: 'delete', id: customer.key.config.id })
  feed.epoch = 'epoch-2'
  feed.putSnapshot(items)
  await waitFor(() => live.current!.epoch === 'epoch-2')
  await new Promise(setImmediate)
  expect(hasKey(customer.key.clear)).toBe(true)
  feed.publish({ kind: 'key', op: 'delete', id: customer.key.config.id })
  await waitFor(() => live.current!.revision === feed.revision)
  expect(hasKey(customer.key.clear)).toBe(false)
})

test('keeps serving the old tables when a change fails to compile, still revokes keys, and says why', async () => {
  feed.putSnapshot(items)
  await subscribe()
  const broken = aRoute({ id: to.route.id, pathPattern: '(', pathMatch: 'regex', upstreamId: to.upstream.id })
  feed.publish(put('route', broken))
  await waitFor(() => live.problem)
  expect(live.problem).toContain(to.route.id)
  expect(live.current!.revision).toBe(0)
  expect(routeOf('/x')).toBe(to.route.id)

  feed.publish({ kind: 'key', op: 'delete', id: customer.key.config.id })
  await waitFor(() => !hasKey(customer.key.clear))
  expect(live.current!.revision).toBe(0)

  feed.publish(put('route', to.route))
  await waitFor(() => live.problem === null)
  expect(live.current!.revision).toBe(3)
})

test('an item that is not usable is left out and told, until it is repaired', async () => {
  feed.putSnapshot(items)
  await subscribe()
  const next = aCustomer()
  feed.publish(...next.items.slice(0, 2), put('key', { ...next.key.config, digest: 'c2hvcnQ=' } as { id: string }))
  await waitFor(() => live.problem)
  expect(live.problem).toContain(next.key.config.id)
  expect(live.problem).not.toContain('c2hvcnQ')
  expect(live.current!.revision).toBe(0)
  feed.publish(put('key', next.key.config))
  await waitFor(() => live.problem === null)
  expect(live.current!.revision).toBe(2)
  expect(hasKey(next.key.clear)).toBe(true)
})

test('a gap leads to a fresh snapshot, also when that comes later', async () => {
  feed.putSnapshot(items)
  await subscribe()
  const missed = aCustomer()
  feed.revision = 4
  feed.publish(...to.items)
  await waitFor(() => live.problem)
  expect(live.problem).toContain('gap')
  const reads = feed.snapshotReads
  expect(live.current!.revision).toBe(0)

  feed.putSnapshot([...items, ...missed.items])
  await waitFor(() => live.current!.revision === 5)
  expect(live.problem).toBeNull()
  expect(hasKey(missed.key.clear)).toBe(true)
  expect(feed.snapshotReads).toBeLessThan(reads + 5)
})

test('a new epoch leads to its snapshot; what is left of the old one in the stream is not looked at', async () => {
  feed.revision = 50
  feed.putSnapshot(items)
  await subscribe()
  feed.publish()
  await waitFor(() => live.current!.revision === 51)

  const other = aCustomer()
  feed.epoch = 'epoch-2'
  feed.revision = 3
  feed.putSnapshot([...to.items, ...other.items])
  await waitFor(() => live.current!.epoch === 'epoch-2')
  expect(live.current!.revision).toBe(3)
  expect(hasKey(customer.key.clear)).toBe(false)
  feed.publish({ kind: 'key', op: 'delete', id: other.key.config.id })
  await waitFor(() => live.current!.revision === 4)
  const reads = feed.snapshotReads
  feed.send({ v: 1, epoch: 'epoch-1', revision: 52, part: 0, parts: 1, atMs: 0, items: [] })
  feed.send({ v: 1, epoch: 'epoch-1', revision: 53, part: 0, parts: 1, atMs: 0, items: [] })
  feed.publish()
  await waitFor(() => live.current!.revision === 5)
  expect(feed.snapshotReads).toBeLessThanOrEqual(reads + 2)
})

test('while a snapshot is loaded, keys that are revoked or deleted end in the old tables at once', async () => {
  const [revoked, deleted, kept] = [aCustomer(), aCustomer(), aCustomer()]
  const all = [...to.items, ...revoked.items, ...deleted.items, ...kept.items]
  feed.putSnapshot(all)
  await subscribe()
  const told: string[] = []
  live.keyWatcher = { keyChanged: (id) => void told.push(id), allKeysChanged() {} }

  feed.epoch = 'epoch-2'
  const { pointer, body } = packSnapshot('epoch-2', 0, all)
  const goOn = Promise.withResolvers<undefined>()
  let isLoading = false
  feed.latestSnapshot = () => {
    async function* whenAllowed() {
      isLoading = true
      await goOn.promise
      yield body
    }
    return Promise.resolve({ pointer, body: whenAllowed() })
  }
  feed.follows.at(-1)!.handlers.onSnapshot(pointer)
  await waitFor(() => isLoading)
  const late = aCustomer()
  feed.publish(put('key', { ...revoked.key.config, revokedAtMs: 1 } as { id: string }), ...late.items)
  feed.publish({ kind: 'key', op: 'delete', id: deleted.key.config.id })
  const stateOf = (clear: string) => {
    const slot = live.current!.keys.find(clear)
    return slot === -1 ? 'none' : live.current!.keys.ended(slot, Date.now())
  }
  const states = () => [revoked, deleted, kept, late].map(({ key }) => stateOf(key.clear))
  expect(live.current!.epoch).toBe('epoch-1')
  expect(states()).toEqual(['key_revoked', 'none', null, 'none'])
  expect(told).toEqual([revoked.key.config.id, deleted.key.config.id])

  goOn.resolve(undefined)
  await waitFor(() => live.current!.epoch === 'epoch-2' && live.current!.revision === 2)
  expect(states()).toEqual(['key_revoked', 'none', null, null])
})

test('a key that is revoked by the very change in front of which others are missing ends at once, one of another epoch’s does not', async () => {
  const [revoked, kept] = [aCustomer(), aCustomer()]
  feed.putSnapshot([...items, ...revoked.items, ...kept.items])
  await subscribe()
  const stateOf = (clear: string) => live.current!.keys.ended(live.current!.keys.find(clear), Date.now())
  const ending = (of: typeof kept) => put('key', { ...of.key.config, revokedAtMs: 1 } as { id: string })
  const message = { v: 1, part: 0, parts: 1, atMs: 0 } as const
  // What is left of a history that ended with a restore: the database has these keys.
  const follows = feed.follows.length
  feed.send({ ...message, epoch: 'epoch-0', revision: 8, items: [] })
  feed.send({ ...message, epoch: 'epoch-0', revision: 9, items: [ending(kept)] })
  await waitFor(() => feed.follows.length > follows)
  expect(stateOf(kept.key.clear)).toBeNull()

  feed.send({ ...message, epoch: feed.epoch, revision: 3, items: [ending(revoked)] })
  expect(stateOf(revoked.key.clear)).toBe('key_revoked')
  await waitFor(() => live.problem)
})

test('a snapshot that is newer than the changes that come is loaded', async () => {
  feed.putSnapshot(items)
  await subscribe()
  feed.revision = 9
  feed.putSnapshot(items)
  await waitFor(() => live.current!.revision === 9)
})

test('a body that is not what its pointer names is not used; the old tables stay until there is a good one', async () => {
  feed.putSnapshot(items)
  await subscribe()
  const good = packSnapshot('epoch-2', 2, items)
  const bad = packSnapshot('epoch-2', 2, [])
  feed.snapshot = { pointer: good.pointer, body: bad.body }
  feed.follows.at(-1)!.handlers.onSnapshot(good.pointer)
  await waitFor(() => live.problem)
  expect(live.current).toMatchObject({ epoch: 'epoch-1', revision: 0 })
  feed.snapshot = good
  await waitFor(() => live.current!.epoch === 'epoch-2')
  expect(live.problem).toBeNull()
})

test('starts from the copy on disk when the feed is away, and catches up when it is back', async () => {
  feed.revision = 5
  feed.putSnapshot(items)
  await subscribe()
  await subscribers.pop()!.close()

  feed.snapshot = new Error('away')
  await subscribe()
  expect(live.current).toMatchObject({ epoch: 'epoch-1', revision: 5 })
  expect(hasKey(customer.key.clear)).toBe(true)
  feed.publish({ kind: 'key', op: 'delete', id: customer.key.config.id })
  await waitFor(() => live.current!.revision === 6)
  expect(hasKey(customer.key.clear)).toBe(false)
})

test('prefers what the feed has to the copy on disk, and renews the copy with each snapshot', async () => {
  feed.putSnapshot([])
  await subscribe()
  feed.publish(...items)
  await waitFor(() => live.current!.revision === 1)
  feed.putSnapshot(items)
  await waitFor(() => readFileSync(path.join(dataDir, 'snapshot.v1'), 'latin1').includes('"revision":1,'))
  await subscribers.pop()!.close()

  feed.publish({ kind: 'key', op: 'delete', id: customer.key.config.id })
  feed.putSnapshot(to.items)
  await subscribe()
  expect(live.current!.revision).toBe(2)
  expect(hasKey(customer.key.clear)).toBe(false)
})

test('a disk that stands still delays neither a start nor a reload; the copy is made when it goes on', async () => {
  // Opening a pipe takes until somebody reads from it.
  const file = path.join(dataDir, 'snapshot.v1')
  expect(spawnSync('mkfifo', [`${file}.new`]).status).toBe(0)
  feed.putSnapshot(items)
  await subscribe()
  expect(live.current).toMatchObject({ epoch: 'epoch-1', revision: 0 })
  feed.epoch = 'epoch-2'
  feed.putSnapshot(items)
  await waitFor(() => live.current!.epoch === 'epoch-2')

  const reader = await open(`${file}.new`, 'r')
  try {
    await waitFor(() => existsSync(file))
    expect(readFileSync(file, 'latin1')).toContain('"epoch":"epoch-2"')
  } finally {
    await reader.close()
  }
})

test('of a snapshot that comes faster than the disk takes it, the copy is made afterwards', async () => {
  const disk = new SnapshotDisk(dataDir)
  const goOn = Promise.withResolvers<void>()
  const { pointer, body } = packSnapshot('epoch-1', 0, items)
  const copy = disk.begin(pointer, goOn.promise)
  async function* large(): AsyncGenerator<Uint8Array> {
    for (let n = 0; n < 20; n++) yield await Promise.resolve(new Uint8Array(1 << 20))
  }
  let passed = 0
  for await (const chunk of copy.keep(large())) passed += chunk.byteLength
  expect(passed).toBe(20 << 20)
  expect(copy.isTooSlow).toBe(true)
  goOn.resolve()
  await expect(copy.commit()).rejects.toThrow('slower than the feed')
  expect(readdirSync(dataDir)).toEqual([])

  feed.snapshot = { pointer, body }
  const copier = new SnapshotCopier(
    feed,
    disk,
    createLogger({ name: 'test', level: 'silent' }),
    new AbortController().signal,
  )
  copier.commit(copy, pointer)
  await copier.finished()
  const [head] = readFileSync(path.join(dataDir, 'snapshot.v1'), 'latin1').split('\n', 1)
  expect(JSON.parse(head!)).toEqual(pointer)
})

test.each([
  ['too slow', 20],
  ['discarded', 4],
])('while the disk stands still nothing is held of a copy that is %s', async (_why, pieces) => {
  const goOn = Promise.withResolvers<void>()
  const copy = new SnapshotDisk(dataDir).begin(packSnapshot('epoch-1', 0, items).pointer, goOn.promise)
  const held: WeakRef<Uint8Array>[] = []
  async function* body(): AsyncGenerator<Uint8Array> {
    for (let n = 0; n < pieces; n++) {
      const piece = new Uint8Array(1 << 20)
      held.push(new WeakRef(piece))
      yield await Promise.resolve(piece)
    }
  }
  // In a function of its own, which holds no piece when it is through.
  const readThrough = async (): Promise<void> => {
    for await (const _piece of copy.keep(body()));
  }
  await readThrough()
  const discarded = copy.isTooSlow ? null : copy.discard()
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  await waitFor(() => {
    collect()
    return held.every((piece) => piece.deref() === undefined)
  })
  goOn.resolve()
  await (discarded ?? copy.discard())
  expect(readdirSync(dataDir)).toEqual([])
})

test('a copy that ends with the worker is no failure, and leaves nothing', async () => {
  const lines: string[] = []
  const log = createLogger({ name: 'test', level: 'warn', destination: { write: (line) => void lines.push(line) } })
  const closing = new AbortController()
  const { pointer } = packSnapshot('epoch-1', 0, items)
  async function* body(): AsyncGenerator<Uint8Array> {
    closing.abort()
    yield await Promise.resolve(new Uint8Array(1))
  }
  feed.latestSnapshot = () => Promise.resolve({ pointer, body: body() })
  const copier = new SnapshotCopier(feed, new SnapshotDisk(dataDir), log, closing.signal)
  copier.renew(pointer)
  await copier.finished()
  expect(closing.signal.aborted).toBe(true)
  expect([lines, readdirSync(dataDir)]).toEqual([[], []])
})

test('a damaged copy on disk is no snapshot', async () => {
  feed.putSnapshot(items)
  await subscribe()
  await subscribers.pop()!.close()
  const file = path.join(dataDir, 'snapshot.v1')
  const bytes = readFileSync(file)
  bytes[bytes.length - 20]! ^= 0xff
  writeFileSync(file, bytes)
  feed.snapshot = new Error('away')
  await subscribe()
  expect(live.current).toBeNull()
  expect(live.problem).toContain('not usable')
})

test('while many routes are compiled a key is revoked at once, and what came meanwhile is live after', async () => {
  feed.putSnapshot(items)
  await subscribe()
  const many = Array.from({ length: 5_000 }, (_, i) =>
    put('route', aRoute({ upstreamId: to.upstream.id, pathPattern: `/many/${i}` })),
  )
  feed.publish(...many)
  // Applied, and being compiled: the other turns of the event loop go on.
  let turns = 0
  let revokedAtRevision = -1
  const { keys } = live.current!
  while (live.current!.revision < 1) {
    await new Promise((resolve) => setImmediate(resolve))
    turns += 1
    if (turns === 8) {
      feed.publish({ kind: 'key', op: 'delete', id: customer.key.config.id })
      feed.publish({ kind: 'route', op: 'delete', id: to.route.id })
    }
    if (revokedAtRevision === -1 && keys.find(customer.key.clear) === -1) revokedAtRevision = live.current!.revision
  }
  expect(turns).toBeGreaterThan(12)
  expect(revokedAtRevision).toBe(0)
  await waitFor(() => live.current!.revision === 3)
  expect(routeOf('/x')).toBeUndefined()
  expect(routeOf('/many/4999')).toBeDefined()
})
