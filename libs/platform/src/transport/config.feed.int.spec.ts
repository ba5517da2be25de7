import { createHash, randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { channels, type ChangeMessage, type SnapshotPointer } from '@apigate/contracts'
import { createTestDatabase, dropNatsNamespace, testServers, waitFor, type TestDatabase } from '@apigate/testing'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createLogger } from '../logger.ts'
import {
  openConfigFeedReader,
  openConfigFeedWriter,
  type ConfigFeedReader,
  type ConfigFeedWriter,
  type Snapshot,
  type TransportConfig,
} from './index.ts'
import { natsNames } from './nats/nats.names.ts'

const log = createLogger({ name: 'test', level: 'silent' })

interface Rig {
  config: TransportConfig
  epoch: string
  /** What an admin write and the publisher do: the change is on the feed when it resolves. */
  append(writer: ConfigFeedWriter, revision: number): Promise<void>
  /** Something on the feed that follows no contract. */
  disturb(): Promise<void>
  /** Breaks the readers' connections. */
  breakConnections(): Promise<void>
  stop(): Promise<void>
}

function bodyOf(snapshot: Snapshot | null): AsyncIterable<Uint8Array> {
  if (snapshot === null) throw new Error('there is no snapshot')
  return snapshot.body
}

function aChange(epoch: string, revision: number): ChangeMessage {
  const items: ChangeMessage['items'] = [{ kind: 'key', op: 'delete', id: `key_${revision}` }]
  return { v: 1, epoch, revision, part: 0, parts: 1, atMs: 1_700_000_000_000, items }
}

async function onPostgres(): Promise<Rig> {
  const database: TestDatabase = await createTestDatabase()
  const client = new pg.Client(database.url)
  await client.connect()
  const { rows } = await client.query<{ epoch: string }>('SELECT epoch FROM config_head')
  const epoch = String(rows[0]?.epoch)
  return {
    config: { databaseUrl: database.url, natsUrl: null, redisUrl: null },
    epoch,
    async append(writer, revision) {
      const change = aChange(epoch, revision)
      await client.query('BEGIN')
      await client.query('UPDATE config_head SET revision = greatest(revision, $1)', [revision])
      await client.query(
        `INSERT INTO config_changes (revision, epoch, items, actor_type) VALUES ($1, $2, $3, 'system') ON CONFLICT DO NOTHING`,
        [revision, epoch, JSON.stringify(change.items)],
      )
      await client.query('SELECT pg_notify($1, $2)', [channels.configChange, String(revision)])
      await client.query('COMMIT')
      await writer.publishChange(change)
    },
    async disturb() {
      await client.query('SELECT pg_notify($1, $2)', [channels.snapshot, 'not json'])
      await client.query('SELECT pg_notify($1, $2)', [channels.snapshot, '{"v":9}'])
    },
    async breakConnections() {
      const { rowCount } = await client.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      )
      expect(rowCount).toBeGreaterThan(0)
    },
    async stop() {
      await client.end()
      await database.drop()
    },
  }
}

async function onNats(): Promise<Rig> {
  const namespace = `t${randomBytes(6).toString('hex')}`
  const names = natsNames(namespace)
  const connection: NatsConnection = await connect({ servers: testServers.natsUrl.replace('nats://', '') })
  const manager = await jetstreamManager(connection)
  const epoch = crypto.randomUUID()
  return {
    config: { databaseUrl: null, natsUrl: testServers.natsUrl, redisUrl: null, namespace },
    epoch,
    async append(writer, revision) {
      await writer.head()
      await writer.publishChange(aChange(epoch, revision))
    },
    async disturb() {
      connection.publish(names.change, 'not json')
      connection.publish(names.change, '{"v":9}')
      connection.publish(names.pointerSubject, '[]')
      await connection.flush()
    },
    async breakConnections() {
      // The server offers no way to end one client; losing the stream is the harder case, and the server's own end has a
      // test of its own.
      await manager.streams.delete(names.changeStream)
    },
    async stop() {
      await dropNatsNamespace(namespace)
      await connection.close()
    },
  }
}

describe.each([
  ['PostgreSQL', onPostgres],
  ['NATS', onNats],
])('config feed on %s', (_transport, start) => {
  let rig: Rig
  let reader: ConfigFeedReader
  let writer: ConfigFeedWriter
  let changes: ChangeMessage[]
  let pointers: SnapshotPointer[]
  let connected: boolean[]
  let caughtUp: boolean
  const handlers = {
    onChange: (change: ChangeMessage) => void changes.push(change),
    onSnapshot: (pointer: SnapshotPointer) => void pointers.push(pointer),
    onConnected: (state: boolean) => void connected.push(state),
    onCaughtUp: () => void (caughtUp = true),
  }
  const revisions = (): number[] => changes.map((change) => change.revision)

  async function putSnapshot(revision: number, body: Uint8Array): Promise<SnapshotPointer> {
    const sha256 = createHash('sha256').update(body).digest('hex')
    const pointer = { v: 1 as const, epoch: rig.epoch, revision, sha256, bytes: body.byteLength, atMs: Date.now() }
    await writer.putSnapshot(pointer, body)
    return pointer
  }

  beforeEach(async () => {
    ;[changes, pointers, connected, caughtUp] = [[], [], [], false]
    rig = await start()
    writer = openConfigFeedWriter(rig.config, log)
    reader = openConfigFeedReader(rig.config, log)
  })
  afterEach(async () => {
    await reader.close()
    await writer.close()
    await rig.stop()
  })

  test('changes from before and after the start arrive in order, repeats of the publisher once', async () => {
    for (const revision of [1, 2, 3]) await rig.append(writer, revision)
    await reader.follow(1, handlers)
    await waitFor(() => revisions().includes(3))
    for (const revision of [4, 4, 3, 5]) await rig.append(writer, revision)
    await waitFor(() => revisions().includes(5))
    // NATS delivers what the stream holds, which the worker may have applied already.
    expect(revisions().filter((revision) => revision > 1)).toEqual([2, 3, 4, 5])
    expect(changes.at(-1)).toEqual({ ...aChange(rig.epoch, 5), atMs: expect.any(Number) })
    expect(connected.at(-1)).toBe(true)
  })

  test('it is told when all has come that the feed held, and that an empty one holds nothing', async () => {
    await reader.follow(0, handlers)
    await waitFor(() => caughtUp)
    for (let revision = 1; revision <= 120; revision += 1) await rig.append(writer, revision)
    const later = openConfigFeedReader(rig.config, log)
    let last = 0
    const ends: number[] = []
    const onChange = ({ revision }: ChangeMessage): void => void (last = revision)
    await later.follow(0, { ...handlers, onChange, onCaughtUp: () => ends.push(last) })
    await waitFor(() => ends.length > 0)
    expect(ends[0]).toBe(120)
    await later.close()
  })

  test('an empty feed has no snapshot, and a reader may follow before anything was written', async () => {
    expect(await reader.latestSnapshot()).toBeNull()
    expect(await writer.snapshotHead()).toBeNull()
    await reader.follow(0, handlers)
    await rig.append(writer, 1)
    await waitFor(() => revisions().length === 1)
  })

  test('a snapshot comes back byte for byte, is announced, and the last two are kept', async () => {
    const bodies = [randomBytes(10), randomBytes(2_500_000), randomBytes(3_000_001)]
    await reader.follow(0, handlers)
    await waitFor(() => connected.at(-1))
    for (const [index, body] of bodies.entries()) {
      const pointer = await putSnapshot(index + 1, body)
      expect(await writer.snapshotHead()).toEqual(pointer)
      const snapshot = await reader.latestSnapshot()
      expect(snapshot?.pointer).toEqual(pointer)
      expect((await buffer(bodyOf(snapshot))).equals(body)).toBe(true)
      await waitFor(() => pointers.at(-1)?.revision === pointer.revision, { what: 'the announcement' })
    }
  })

  test('a reader is told of the newest snapshot only: one of an epoch that ended would send it back for a fresh one', async () => {
    for (const revision of [1, 2, 3]) await putSnapshot(revision, randomBytes(10))
    await reader.follow(0, handlers)
    await waitFor(() => pointers.length > 0)
    await putSnapshot(4, randomBytes(10))
    await waitFor(() => pointers.at(-1)?.revision === 4)
    expect(new Set(pointers.map(({ revision }) => revision))).toEqual(new Set([3, 4]))
  })

  test('a body that is replaced while it is read comes whole or not at all', async () => {
    const body = randomBytes(3_000_000)
    await putSnapshot(1, body)
    const snapshot = await reader.latestSnapshot()
    await putSnapshot(2, randomBytes(100))
    await putSnapshot(3, randomBytes(100))
    const outcome = await buffer(bodyOf(snapshot)).then(
      (read) => (read.equals(body) ? 'whole' : 'wrong'),
      (error: unknown) => (error instanceof Error ? 'not at all' : 'no error'),
    )
    expect(['whole', 'not at all']).toContain(outcome)
  })

  test('what follows no contract is dropped, and delivery goes on', async () => {
    await rig.append(writer, 1)
    await putSnapshot(1, randomBytes(10))
    await reader.follow(0, handlers)
    await waitFor(() => revisions().includes(1) && pointers.length > 0)
    await rig.disturb()
    await rig.append(writer, 2)
    await waitFor(() => revisions().includes(2))
    expect(revisions()).toEqual([1, 2])
    expect(pointers.every((pointer) => pointer.revision === 1)).toBe(true)
  })

  test('a broken connection or a lost stream is survived, and nothing written meanwhile is missed', async () => {
    for (const revision of [1, 2, 3]) await rig.append(writer, revision)
    await reader.follow(0, handlers)
    await waitFor(() => revisions().includes(3))
    await rig.breakConnections()
    for (const revision of [4, 5]) {
      await waitFor(() => rig.append(writer, revision).then(() => true))
    }
    await waitFor(() => revisions().includes(5), { timeoutMs: 15_000 })
    await rig.append(writer, 6)
    await waitFor(() => revisions().includes(6))
    expect(revisions()).toEqual([1, 2, 3, 4, 5, 6])
  })

  test('closing ends delivery; closing twice is harmless', async () => {
    const follow = await reader.follow(0, handlers)
    await rig.append(writer, 1)
    await waitFor(() => revisions().length === 1)
    await follow.close()
    await follow.close()
    await rig.append(writer, 2)
    await reader.close()
    expect(revisions()).toEqual([1])
  })

  test('the head is the newest revision', async () => {
    for (const revision of [1, 2]) await rig.append(writer, revision)
    expect(await writer.head()).toMatchObject({ epoch: rig.epoch, revision: 2 })
  })
})

describe('config feed on NATS alone', () => {
  let rig: Rig
  beforeEach(async () => {
    rig = await onNats()
  })
  afterEach(() => rig.stop())

  test('a revision of which a part is missing is not the head yet', async () => {
    const writer = openConfigFeedWriter(rig.config, log)
    await rig.append(writer, 2)
    await writer.publishChange({ ...aChange(rig.epoch, 3), parts: 2 })
    expect(await writer.head()).toMatchObject({ epoch: rig.epoch, revision: 2 })
    await writer.publishChange({ ...aChange(rig.epoch, 3), part: 1, parts: 2 })
    expect(await writer.head()).toMatchObject({ epoch: rig.epoch, revision: 3 })
    await writer.close()
  })

  test('a snapshot whose body was lost counts as none', async () => {
    const writer = openConfigFeedWriter(rig.config, log)
    await rig.append(writer, 1)
    const body = randomBytes(10)
    const sha256 = createHash('sha256').update(body).digest('hex')
    const pointer = { v: 1 as const, epoch: rig.epoch, revision: 1, sha256, bytes: 10, atMs: 1 }
    await writer.putSnapshot(pointer, body)
    expect(await writer.snapshotHead()).toEqual(pointer)
    const connection = await connect({ servers: testServers.natsUrl })
    const manager = await jetstreamManager(connection)
    await manager.streams.delete(`OBJ_${natsNames(rig.config.namespace).snapshotStore}`)
    await connection.close()
    expect(await writer.snapshotHead()).toBeNull()
    const reader = openConfigFeedReader(rig.config, log)
    await expect(reader.latestSnapshot()).rejects.toThrow('gone')
    await writer.putSnapshot(pointer, body)
    expect((await reader.latestSnapshot())?.pointer).toEqual(pointer)
    await reader.close()
    await writer.close()
  })

  test('the stream is trimmed behind the older of the last two snapshots', async () => {
    const writer = openConfigFeedWriter(rig.config, log)
    for (let revision = 1; revision <= 30; revision += 1) await rig.append(writer, revision)
    for (const revision of [10, 20, 25]) {
      const body = randomBytes(10)
      const sha256 = createHash('sha256').update(body).digest('hex')
      await writer.putSnapshot({ v: 1, epoch: rig.epoch, revision, sha256, bytes: 10, atMs: 1 }, body)
    }
    const seen: number[] = []
    const reader = openConfigFeedReader(rig.config, log)
    await reader.follow(0, {
      onChange: ({ revision }) => seen.push(revision),
      onSnapshot() {},
      onConnected() {},
      onCaughtUp() {},
    })
    await waitFor(() => seen.includes(30))
    expect(seen).toEqual([21, 22, 23, 24, 25, 26, 27, 28, 29, 30])
    await reader.close()
    await writer.close()
  })
})

test.each([
  { databaseUrl: 'postgresql://app@127.0.0.1:1/none', natsUrl: null, redisUrl: null },
  { databaseUrl: null, natsUrl: 'nats://127.0.0.1:1', redisUrl: null },
])('without a server reads fail within seconds, following waits, and closing works: %o', async (config) => {
  const reader = openConfigFeedReader(config, log)
  const connected: boolean[] = []
  const onConnected = (state: boolean): unknown => connected.push(state)
  await reader.follow(0, { onChange() {}, onSnapshot() {}, onConnected, onCaughtUp() {} })
  await expect(reader.latestSnapshot()).rejects.toThrow(/away|ECONNREFUSED/)
  expect(connected).not.toContain(true)
  expect(connected).toContain(false)
  await reader.close()
})
