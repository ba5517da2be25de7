import { createHash } from 'node:crypto'
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { gunzipSync, gzipSync } from 'node:zlib'
import {
  changeMessageSchema,
  explainRequestSchema,
  explanationSchema,
  snapshotPointerSchema,
  subjects,
  usageBatchSchema,
  usageBatchV1Schema,
  usageMarkSchema,
  webhookSliceSchema,
  workerStatusSchema,
  type SnapshotPointer,
} from '@apigate/contracts'
import { createLogger, createSealer } from '@apigate/platform'
import { createTestDatabase, type TestDatabase } from '@apigate/testing'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Database } from '../../apps/control-plane/src/persistence/index.ts'
import { rowsOfV1 } from '../../apps/control-plane/src/usage-ingest/usage.batch.v1.ts'
import { UsageLedger } from '../../apps/control-plane/src/usage-ingest/usage.ledger.ts'
import { ConfigState } from '../../apps/proxy/src/tables/config.state.ts'
import { SnapshotDisk } from '../../apps/proxy/src/tables/snapshot.disk.ts'
import { readSnapshot } from '../../apps/proxy/src/tables/snapshot.reader.ts'
import { openUsageSpool } from '../../apps/proxy/src/usage/index.ts'

const recordings = path.join(import.meta.dirname, 'recordings')
const releases = globSync('*', { cwd: recordings }).toSorted()
const { version } = JSON.parse(readFileSync(path.resolve(import.meta.dirname, '../../package.json'), 'utf8'))
const log = createLogger({ name: 'test', level: 'silent' })
const read = (release: string, name: string): any =>
  JSON.parse(readFileSync(path.join(recordings, release, `${name}.json`), 'utf8'))

/** What is sent under which name, what its receiver holds it against, and the name of that. */
const messages = {
  [subjects.change]: [changeMessageSchema, 'changeMessageSchema'],
  [subjects.snapshotPointerKey]: [snapshotPointerSchema, 'snapshotPointerSchema'],
  [subjects.workerStatus]: [workerStatusSchema, 'workerStatusSchema'],
  [subjects.usageMark]: [usageMarkSchema, 'usageMarkSchema'],
  [subjects.explain]: [explainRequestSchema, 'explainRequestSchema'],
  explanation: [explanationSchema, 'explanationSchema'],
  'usage-batch.v1': [usageBatchV1Schema, 'usageBatchSchema'],
  'usage-batch.v2': [usageBatchSchema, 'usageBatchSchema'],
  'webhook-slice.v1': [webhookSliceSchema, 'webhookSliceSchema'],
} as const
type Name = keyof typeof messages
const all = Object.keys(messages) as Name[]
const namesOf = (release: string): Name[] =>
  all.filter((name) => existsSync(path.join(recordings, release, `${name}.json`)))
const asSchema = (schema: object): object => ({ ...schema, $schema: undefined })

let testDatabase: TestDatabase
let database: Database
beforeAll(async () => {
  testDatabase = await createTestDatabase()
  database = new Database(testDatabase.url)
})
afterAll(async () => {
  await database.onModuleDestroy()
  await testDatabase.drop()
})

test('this version is recorded', () => {
  expect(releases).toContain(version)
  // What it only reads, older ones send.
  expect(all.filter((name) => !namesOf(version).includes(name))).toEqual(['usage-batch.v1'])
})

describe.each(releases)('what %s sent', (release) => {
  const names = namesOf(release)
  test.each(names)('%s is read, and nothing of it is lost', (name) => {
    const sent: any[] = read(release, name)
    expect(sent.length).toBeGreaterThan(0)
    for (const message of sent) expect(messages[name][0].parse(message)).toEqual(message)
  })

  test.each(names)('%s may have members that nobody knows yet', (name) => {
    for (const message of read(release, name)) {
      expect(messages[name][0].parse({ ...message, ofTomorrow: { is: 'new' } })).toEqual(message)
    }
  })

  test.each(names)('%s of a version that nobody knows is refused, and the reason names it', (name) => {
    for (const message of read(release, name)) {
      const { error } = messages[name][0].safeParse({ ...message, v: 99 })
      expect(error?.issues.map(({ path: at }) => at.join('.'))).toContain('v')
    }
  })

  test('changes are applied by a worker, on its copy of the snapshot', async () => {
    const { data, state } = await workerOf(release)
    try {
      for (const change of read(release, subjects.change)) for (const item of change.items) state.apply(item)
      state.compile()
      expect(state.problem).toBeNull()
      const { routes, keys, plans } = state.tables(0)
      const header = (name: string): string | undefined => (name === 'x-all' ? '1' : undefined)
      expect(routes.match('127.0.0.1', '/v1/x/y', 'GET', header)?.route.config.id).toBe('rte_all')
      expect(routes.match('a', '/r/x', 'GET', header)?.route.config.id).toBe('rte_regex')
      expect(keys.findId('key_user')).not.toBe(-1)
      expect(plans.get('plan_all')).toMatchObject({ quotaMode: 'soft', requestsPerMonth: 1_000 })
    } finally {
      rmSync(data, { recursive: true })
    }
  })

  test('items of a snapshot may have members, and be of kinds, that nobody knows yet; another version is refused', async () => {
    const file = readFileSync(path.join(recordings, release, 'worker', 'snapshot.v1'))
    const end = file.indexOf('\n')
    const pointer: SnapshotPointer = JSON.parse(file.toString('utf8', 0, end))
    const [header, ...items] = gunzipSync(file.subarray(end + 1))
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const packed = (head: object, all: readonly any[]): [SnapshotPointer, AsyncIterable<Uint8Array>] => {
      const body = gzipSync([head, ...all].map((line) => `${JSON.stringify(line)}\n`).join(''))
      return [{ ...pointer, sha256: createHash('sha256').update(body).digest('hex') }, Readable.from([body])]
    }
    const tomorrow = items.map((item) => ({ ...item, new: 1, value: { ...item.value, ofTomorrow: { is: 'new' } } }))
    const stranger = { kind: 'moon', op: 'put', value: { id: 'moon_1' } }
    const state = anEmptyState()
    await readSnapshot(...packed({ ...header, items: items.length + 1, ofTomorrow: 1 }, [...tomorrow, stranger]), state)
    state.compile()
    expect(state.problem).toBeNull()
    expect(state.tables(0).keys.findId('key_user')).not.toBe(-1)
    await expect(readSnapshot(...packed({ ...header, v: 2 }, items), anEmptyState())).rejects.toThrow(/version 2/)
  })

  test('the spool that a worker left is taken over, and the ledger takes what is in it, once', async () => {
    const { data } = await workerOf(release)
    const spool = await openUsageSpool({
      dir: data,
      worker: 'proxy-1',
      segmentBytesMax: 1 << 20,
      diskBytesMax: 1 << 30,
      log,
    })
    const ledger = new UsageLedger(database)
    const sent = namesOf(release).filter((name) => name.startsWith('usage-batch'))
    const batches = sent
      .flatMap((name) => read(release, name))
      .map((batch) => (batch.v === 1 ? rowsOfV1(batch) : batch))
    const [first] = batches
    const events = batches.reduce((sum, batch) => sum + batch.last - batch.first + 1, 0)
    // The ledger had some of them already: that is not on the disk.
    const pending = spool.pendingEvents
    expect(pending).toBeGreaterThanOrEqual(events)
    const written = await Promise.all(batches.map((batch) => ledger.write(batch)))
    expect(written.reduce((sum, { inserted }) => sum + inserted, 0)).toBe(events)
    const again = await ledger.write(first)
    expect(again.inserted).toBe(0)
    for (const { mark } of [...written, again]) spool.acknowledge(usageMarkSchema.parse(mark))
    expect(spool.pendingEvents).toBe(pending - events)
    await spool.close()
    rmSync(data, { recursive: true })
  })
})

// An older process beside a newer one.
describe.each(releases)('the schemas of %s', (release) => {
  const names = namesOf(release).filter((name) => namesOf(version).includes(name))
  test.each(names)('take what this version sends as %s', (name) => {
    const schema = read(release, 'schemas')[messages[name][1]]
    const validate = new Ajv2020({ strict: false }).compile(asSchema(schema))
    for (const message of read(version, name)) {
      validate(message)
      expect(validate.errors).toBeNull()
    }
  })
})

/** A worker's folder as that release left it, in a place where it may be written, and its snapshot. */
async function workerOf(release: string): Promise<{ data: string; state: ConfigState }> {
  const data = mkdtempSync(path.join(os.tmpdir(), 'apigate-recording-'))
  cpSync(path.join(recordings, release, 'worker'), data, { recursive: true })
  expect(existsSync(path.join(data, 'snapshot.v1'))).toBe(true)
  const snapshot = await new SnapshotDisk(data).read()
  const state = anEmptyState()
  await readSnapshot(snapshot!.pointer, snapshot!.body, state)
  return { data, state }
}

/** As the recording has it, see record.ts. */
function anEmptyState(): ConfigState {
  return new ConfigState('epoch', new Map(), createSealer(Buffer.alloc(32).toString('base64')))
}
