import type { WorkerStatus } from '@apigate/contracts'
import { createLogger, openFleetBus, type FleetBus } from '@apigate/platform'
import { waitFor } from '@apigate/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../api.fixture.ts'

let api: TestApi
let bus: FleetBus
let epoch: string
let applied: Record<string, number>
let speaking: NodeJS.Timeout

beforeAll(async () => {
  api = await startTestApi()
  const log = createLogger({ name: 'test', level: 'silent' })
  bus = openFleetBus({ databaseUrl: api.config.databaseUrl, natsUrl: null, redisUrl: null }, log)
  epoch = (await api.database.prisma.configHead.findUniqueOrThrow({ where: { id: 1 } })).epoch
  applied = { one: 0, two: 0 }
  speaking = setInterval(() => Object.keys(applied).forEach(speak), 100)
  await waitFor(async () => (await api.call('GET', '/api/workers')).document.data.length === 2)
})
afterAll(async () => {
  clearInterval(speaking)
  await bus?.close()
  await api?.stop()
})

function speak(worker: string): void {
  bus.sendStatus({
    ...{ v: 1, worker, epoch: 1_790_000_000_000, version: '1', configEpoch: epoch, revision: applied[worker] ?? null },
    ...{ problem: null, ready: true, draining: false, inFlight: 0, rssBytes: 0, spoolEvents: 0, atMs: Date.now() },
  } satisfies WorkerStatus)
}

const prefer = (seconds: number) => ({ prefer: `wait=${seconds}` })
const head = async () => Number((await api.database.prisma.configHead.findUniqueOrThrow({ where: { id: 1 } })).revision)

describe('a write that waits', () => {
  test('is answered as any other when the last worker has applied it, and not before', async () => {
    const before = await head()
    let answered = false
    const answer = api.call('POST', '/api/plans', { name: 'waited for' }, prefer(30)).finally(() => (answered = true))
    await waitFor(async () => (await head()) > before)
    applied['one'] = before + 1
    speak('one')
    await waitFor(async () => (await api.call('GET', '/api/workers/one')).document.data.attributes.lag === 0)
    expect(answered).toBe(false)
    applied['two'] = before + 1
    speak('two')
    const { status, headers, document } = await answer
    expect([status, headers['preference-applied']]).toEqual([201, 'wait=30'])
    expect([headers['x-config-revision'], document.data.attributes.name]).toEqual([String(before + 1), 'waited for'])
  })

  test('is 202 when the time is up, with who is behind and what is shown once', async () => {
    applied = { one: 1_000_000, two: 0 }
    const created = await api.call('POST', '/api/api-keys', { scopes: ['meter:write'] }, prefer(1))
    expect([created.status, created.headers['location']]).toEqual([202, created.document.data.links.self])
    expect(created.document.data.meta.key).toMatch(/^ak_/)
    expect(created.document.meta).toEqual({
      config_revision: Number(created.headers['x-config-revision']),
      workers_behind: ['two'],
    })
    const deleted = await api.call('DELETE', created.document.data.links.self, undefined, prefer(0))
    expect([deleted.status, deleted.document.meta.workers_behind]).toEqual([202, ['two']])
    expect((await api.call('GET', created.document.data.links.self)).status).toBe(404)
  })

  test('that fails does not wait', async () => {
    expect((await api.call('POST', '/api/plans', { name: 'waited for' }, prefer(60))).status).toBe(409)
  })

  test('a read does not wait, and an unknown preference is ignored', async () => {
    applied = { one: 0, two: 0 }
    expect((await api.call('GET', '/api/plans', undefined, prefer(60))).status).toBe(200)
    const { status, headers } = await api.call('POST', '/api/plans', { name: 'at once' }, { prefer: 'wait=soon' })
    expect([status, headers['preference-applied']]).toEqual([201, undefined])
  })
})
