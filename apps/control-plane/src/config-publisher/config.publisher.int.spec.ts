import { createHash, randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { snapshotHeaderSchema, type ChangeMessage, type SnapshotPointer } from '@apigate/contracts'
import type { ConfigItem } from '@apigate/core'
import {
  createLogger,
  newId,
  openConfigFeedReader,
  openConfigFeedWriter,
  readChanges,
  type ConfigFeedReader,
  type TransportConfig,
} from '@apigate/platform'
import { createTestDatabase, dropNatsNamespace, testServers, waitFor, type TestDatabase } from '@apigate/testing'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Database } from '../persistence/index.ts'
import { appendConfigChange } from './config.change.ts'
import { keyItem, planItem, userItem } from './config.item.ts'
import { ConfigPublisher } from './config.publisher.ts'
import { buildSnapshot } from './snapshot.builder.ts'

const log = createLogger({ name: 'test', level: 'silent' })
const actor = { type: 'system', id: null, requestId: null } as const
const slow = { timeoutMs: 15_000 }

type PublisherConfig = TransportConfig & { databaseUrl: string }

let testDatabase: TestDatabase
let database: Database
let publishers: ConfigPublisher[]

beforeEach(async () => {
  publishers = []
  testDatabase = await createTestDatabase()
  database = new Database(testDatabase.url)
})
afterEach(async () => {
  await Promise.all(publishers.map((publisher) => publisher.onModuleDestroy()))
  await database.onModuleDestroy()
  await testDatabase.drop()
})

function start(transport: PublisherConfig, everyChanges = 500): ConfigPublisher {
  const publisher = new ConfigPublisher(database, transport, log, { everyChanges, everyShare: 0, everyMs: 60_000 })
  publishers.push(publisher)
  publisher.onApplicationBootstrap()
  return publisher
}

/** An admin write: a row and its change in one transaction. */
async function writePlan(name: string): Promise<bigint> {
  return database.transaction(async (tx) => {
    const plan = await tx.plan.create({ data: { id: newId('plan'), name } })
    return appendConfigChange(tx, [planItem(plan)], actor)
  })
}

async function restoreToRevision1(): Promise<void> {
  for (const table of ['config_changes', 'config_revisions', 'config_versions'])
    await database.pool.query(`DELETE FROM ${table} WHERE revision > 1`)
  await database.pool.query('UPDATE config_head SET revision = 1')
}

function contents(body: Uint8Array): { header: unknown; items: ConfigItem[] } {
  const [header, ...items] = gunzipSync(body)
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
  return { header, items: items as ConfigItem[] }
}

test('a snapshot holds every resource at one revision, in order, and its sums are right', async () => {
  const plan = await database.prisma.plan.create({ data: { id: newId('plan'), name: 'p', requestsPerMonth: 10n } })
  const users = Array.from({ length: 2_500 }, (_, index) => ({
    ...{ id: newId('usr'), email: `u${index}@example.com`, planId: plan.id },
  }))
  await database.prisma.user.createMany({ data: users })
  const owner = String(users[0]?.id)
  const key = await database.prisma.apiKey.create({
    data: { id: newId('key'), prefix: 'ak_012345678', digest: randomBytes(32), userId: owner },
  })
  const [upstreamId, routeId, groupId] = [newId('ups'), newId('rte'), newId('grp')]
  await database.prisma.upstream.create({ data: { id: upstreamId, name: 'u', baseUrl: 'http://up/' } })
  const headers = [{ name: 'X-Tenant', value: 'a' }]
  await database.prisma.route.create({ data: { id: routeId, name: 'r', pathPattern: '/', upstreamId, headers } })
  await database.prisma.group.create({
    data: { id: groupId, name: 'g', slug: 'g', ownerId: owner, planId: plan.id },
  })
  const revision = await database.transaction((tx) => appendConfigChange(tx, [planItem(plan)], actor))

  const { pointer, body } = await buildSnapshot(database.prisma)
  expect(pointer).toMatchObject({ revision: Number(revision), bytes: body.byteLength })
  expect(pointer.sha256).toBe(createHash('sha256').update(body).digest('hex'))
  const { header, items } = contents(body)
  expect(snapshotHeaderSchema.parse(header)).toMatchObject({ revision: Number(revision), items: items.length })
  const kinds = items.map((item) => item.kind)
  expect(kinds.filter((kind, index) => kind !== kinds[index - 1])).toEqual([
    ...['plan', 'user', 'group', 'upstream', 'route', 'key'],
  ])
  expect(items).toContainEqual(keyItem(key))
  expect(items).toContainEqual(planItem(plan))
  expect(items.filter((item) => item.kind === 'user')).toHaveLength(2_500)
  expect(items.find((item) => item.kind === 'route')).toMatchObject({
    value: { id: routeId, hostMatch: 'any', headers: [{ name: 'x-tenant', match: 'exact', value: 'a' }] },
  })
})

test('a write that commits while a snapshot is built is wholly in it or wholly behind it', async () => {
  const plan = await database.prisma.plan.create({ data: { id: newId('plan'), name: 'p' } })
  const writing = new AbortController()
  const writer = (async () => {
    for (let index = 0; !writing.signal.aborted; index += 1) {
      await database.transaction(async (tx) => {
        const user = await tx.user.create({ data: { id: newId('usr'), email: `u${index}@x.org`, planId: plan.id } })
        await appendConfigChange(tx, [userItem(user)], actor)
      })
    }
  })()
  const snapshots = []
  while (snapshots.length < 10 || snapshots.at(-1)?.pointer.revision === 0)
    snapshots.push(await buildSnapshot(database.prisma))
  writing.abort()
  await writer
  // One user a revision, so that the two must agree.
  for (const { pointer, body } of snapshots) {
    const { items } = contents(body)
    expect(items.filter((item) => item.kind === 'user')).toHaveLength(pointer.revision)
  }
  expect(snapshots.at(-1)?.pointer.revision).toBeGreaterThan(0)
})

describe.each(['PostgreSQL', 'NATS'])('publishing on %s', (name) => {
  let transport: PublisherConfig
  let namespace: string
  let reader: ConfigFeedReader
  let changes: ChangeMessage[]
  let pointers: SnapshotPointer[]
  const revisions = (): number[] => changes.map((change) => change.revision)

  beforeEach(async () => {
    ;[changes, pointers] = [[], []]
    namespace = `t${randomBytes(6).toString('hex')}`
    transport = {
      databaseUrl: testDatabase.url,
      natsUrl: name === 'NATS' ? testServers.natsUrl : null,
      redisUrl: null,
      namespace,
    }
    reader = openConfigFeedReader(transport, log)
  })
  afterEach(async () => {
    await reader.close()
    await dropNatsNamespace(namespace)
  })

  const follow = async (): Promise<void> => {
    await reader.follow(0, {
      onChange: (change) => changes.push(change),
      onSnapshot: (pointer) => pointers.push(pointer),
      onConnected() {},
      onCaughtUp() {},
    })
  }

  test('an empty feed gets a snapshot, then each write arrives in order', async () => {
    await writePlan('before the start')
    start(transport)
    const first = await waitFor(() => reader.latestSnapshot(), slow)
    expect(first.pointer.revision).toBe(1)
    expect(contents(await buffer(first.body)).items).toHaveLength(1)

    await follow()
    for (let index = 0; index < 20; index += 1) await writePlan(`plan ${index}`)
    await waitFor(() => revisions().includes(21), slow)
    expect(revisions().filter((revision) => revision > 1)).toEqual(Array.from({ length: 20 }, (_, index) => index + 2))
    expect(changes.at(-1)?.items[0]).toMatchObject({ kind: 'plan', value: { name: 'plan 19' } })
  })

  test('changes of which no NOTIFY has told, more than are read at once, arrive all the same', async () => {
    const publisher = start(transport)
    await writePlan('told')
    await waitFor(() => publisher.state.position?.revision === 1, slow)
    await follow()
    await database.pool.query(`WITH head AS (UPDATE config_head SET revision = revision + 250 RETURNING epoch)
      INSERT INTO config_changes (revision, epoch, items, actor_type)
      SELECT n, epoch, '[]', 'system' FROM head, generate_series(2, 251) AS n`)
    await waitFor(() => revisions().includes(251), slow)
    expect(revisions().filter((revision) => revision > 1)).toEqual(Array.from({ length: 250 }, (_, index) => index + 2))
  })

  test('after so many changes there is a new snapshot', async () => {
    start(transport, 5)
    await waitFor(() => reader.latestSnapshot(), slow)
    await follow()
    for (let index = 0; index < 6; index += 1) await writePlan(`plan ${index}`)
    await waitFor(() => pointers.some((pointer) => pointer.revision >= 5), slow)
    const snapshot = await reader.latestSnapshot()
    expect(snapshot?.pointer.revision).toBeGreaterThanOrEqual(5)
  })

  test('a change of megabytes arrives whole, in parts that are parsed in a moment, the same ones each time', async () => {
    const publisher = start(transport)
    await waitFor(() => publisher.state.position, slow)
    const name = 'é'.repeat(100)
    const items: ConfigItem[] = Array.from({ length: 10_000 }, (_, index) => ({
      ...{ kind: 'key', op: 'delete', id: `key_${index}_${name}` },
    }))
    await database.transaction((tx) => appendConfigChange(tx, items, actor))
    await writePlan('after it')
    await follow()
    await waitFor(() => revisions().includes(2), slow)
    const parts = changes.filter(({ revision }) => revision === 1)
    expect(parts.map(({ part, parts }) => [part, parts])).toEqual(parts.map((_, index) => [index, parts.length]))
    expect(parts.flatMap((part) => part.items)).toEqual(items)
    const bytes = parts.map((part) => Buffer.byteLength(JSON.stringify(part)))
    expect(bytes.reduce((sum, each) => sum + each, 0)).toBeGreaterThan(2_000_000)
    expect(Math.max(...bytes)).toBeLessThan(200_000)
    const again = await readChanges(database.pool, 0)
    expect(again.filter(({ revision }) => revision === 1)).toEqual(parts)
  })

  test('an item that no message could carry is refused, and takes no revision', async () => {
    const big = { ...planItem(await database.prisma.plan.create({ data: { id: newId('plan'), name: 'p' } })) }
    if (big.op === 'put') big.value.id = `plan_${'é'.repeat(300_000)}`
    const write = database.transaction((tx) => appendConfigChange(tx, [big], actor))
    await expect(write).rejects.toMatchObject({ status: 413 })
    expect(await writePlan('small')).toBe(1n)
  })

  test('changes are forgotten behind the older of two snapshots, and who is behind them is told so by the gap', async () => {
    const publisher = start(transport, 5)
    await waitFor(() => publisher.state.snapshot, slow)
    const snapshots = new Set<number>()
    for (let index = 0; snapshots.size < 3; index += 1) {
      await writePlan(`plan ${index}`)
      await waitFor(() => publisher.state.position?.revision === index + 1, slow)
      snapshots.add(await waitFor(() => publisher.state.snapshot, slow).then(({ revision }) => revision))
    }
    // Others may have become due meanwhile; from now on there are no more.
    await publisher.onModuleDestroy()
    const { rows } = await database.pool.query<{ first: number }>(
      'SELECT min(revision)::int AS first FROM config_changes',
    )
    const first = rows[0]?.first ?? 0
    const [, second = 0] = [...snapshots].toSorted((a, b) => a - b)
    expect(first).toBeGreaterThan(second)
    expect(first).toBeLessThanOrEqual(publisher.state.snapshot?.revision ?? 0)
    await follow()
    await waitFor(() => revisions().length > 0, slow)
    expect(revisions()[0]).toBe(first)
  })

  test('when the owner dies another takes over, and no change is missed or sent twice', async () => {
    const first = start(transport)
    await waitFor(() => first.state.role === 'owner' && first.state.position, slow)
    const second = start(transport)
    await waitFor(() => second.state.role === 'standby', slow)
    await follow()
    await writePlan('a')
    await waitFor(() => revisions().includes(1), slow)

    const admin = new pg.Client(testDatabase.url)
    await admin.connect()
    const kill = `SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
      WHERE locktype = 'advisory' AND granted AND application_name = 'apigate-config-publisher'
        AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())`
    expect((await admin.query(kill)).rowCount).toBe(1)
    await admin.end()
    await writePlan('b')
    await waitFor(() => revisions().includes(2), slow)
    await writePlan('c')
    await waitFor(() => revisions().includes(3), slow)
    expect(revisions()).toEqual([1, 2, 3])
    const roles = await waitFor(() => {
      const now = [first.state.role, second.state.role].toSorted()
      return now.includes('owner') && now.includes('standby') && now
    }, slow)
    expect(roles).toEqual(['owner', 'standby'])
  })
})

describe('publishing on NATS', () => {
  let transport: PublisherConfig
  let namespace: string
  beforeEach(() => {
    namespace = `t${randomBytes(6).toString('hex')}`
    transport = { databaseUrl: testDatabase.url, natsUrl: testServers.natsUrl, redisUrl: null, namespace }
  })
  afterEach(() => dropNatsNamespace(namespace))

  test('a feed that is behind what the database still has gets a snapshot', async () => {
    const first = start(transport)
    await waitFor(() => first.state.position, slow)
    await first.onModuleDestroy()
    for (const name of ['a', 'b', 'c']) await writePlan(name)
    await database.pool.query('DELETE FROM config_changes WHERE revision < 3')
    const second = start(transport)
    await waitFor(() => second.state.position?.revision === 3, slow)
    expect(second.state.snapshot?.revision).toBe(3)
  })

  test('a database that was restored from an older copy begins a new epoch', async () => {
    const first = start(transport)
    await waitFor(() => first.state.position, slow)
    for (const name of ['a', 'b']) await writePlan(name)
    await waitFor(() => first.state.position?.revision === 2, slow)
    const before = first.state.position?.epoch
    await first.onModuleDestroy()

    await restoreToRevision1()
    const second = start(transport)
    await waitFor(() => second.state.position?.revision === 1, slow)
    expect(second.state.position?.epoch).not.toBe(before)
    await writePlan('c')
    await waitFor(() => second.state.position?.revision === 2, slow)
    const writer = openConfigFeedWriter(transport, log)
    await waitFor(() => writer.head().then((head) => head?.revision === 2), slow)
    expect(await writer.head()).toMatchObject({ epoch: second.state.position?.epoch, revision: 2 })
    await writer.close()
  })

  test('so does one that was restored and has counted on to where the feed stands', async ({ skip }) => {
    if (transport.natsUrl === null) skip('the feed is the database itself')
    const first = start(transport)
    await waitFor(() => first.state.position, slow)
    for (const name of ['a', 'lost']) await writePlan(name)
    await waitFor(() => first.state.position?.revision === 2, slow)
    const before = first.state.position?.epoch
    await first.onModuleDestroy()

    await restoreToRevision1()
    for (const name of ['another', 'and more']) await writePlan(name)
    const second = start(transport)
    await waitFor(() => second.state.position?.revision === 3, slow)
    expect(second.state.position?.epoch).not.toBe(before)
    expect(second.state.snapshot).toMatchObject({ revision: 3, epoch: second.state.position?.epoch })
  })
})

test('without PostgreSQL or NATS it waits, says what is wrong, and can be closed', async () => {
  const away = { databaseUrl: 'postgresql://app@127.0.0.1:1/none', natsUrl: null, redisUrl: null }
  const first = start(away)
  await waitFor(() => first.state.problem)
  const second = start({ databaseUrl: testDatabase.url, natsUrl: 'nats://127.0.0.1:1', redisUrl: null })
  await waitFor(() => second.state.problem)
  expect([first.state.role, second.state.problem]).toEqual(['away', 'NATS is away'])
})
