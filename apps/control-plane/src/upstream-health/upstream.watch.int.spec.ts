import { randomBytes } from 'node:crypto'
import type { UnhealthyTarget, WorkerStatus } from '@apigate/contracts'
import { createLogger, openFleetBus, type FleetBus } from '@apigate/platform'
import { testServers, waitFor } from '@apigate/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../api.fixture.ts'
import { UpstreamHealthRepository } from './upstream-health.repository.ts'
import { UpstreamWatch } from './upstream.watch.ts'

const log = createLogger({ name: 'test', level: 'silent' })
const policy = { unhealthyAfterMs: 300, healthyAfterMs: 600, everyMs: 20, clock: () => performance.now() }
const dead: UnhealthyTarget = {
  upstream: 'ups_1',
  url: 'http://a:1',
  reason: 'unhealthy',
  since: '2026-11-22T10:00:00Z',
}

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
  await api.create('webhooks', { name: 'w', url: 'https://93.184.216.34/', events: ['*'] })
})
beforeEach(async () => {
  await api.create('upstreams', { id: 'ups_1', name: 'things', base_url: 'http://127.0.0.1:9000' })
})
afterEach(async () => {
  await api.call('DELETE', '/api/upstreams/ups_1')
  await api.database.prisma.webhookEvent.deleteMany()
})
afterAll(() => api?.stop())

describe.each(['NATS', 'PostgreSQL'])('over %s', (transport) => {
  let bus: FleetBus
  let watches: UpstreamWatch[]
  let says: Map<string, UnhealthyTarget[]>
  let speaking: NodeJS.Timeout
  /** Which of the processes decides. */
  let owner: number

  beforeEach(async () => {
    const natsUrl = transport === 'NATS' ? testServers.natsUrl : null
    const namespace = `t${randomBytes(6).toString('hex')}`
    const config = { databaseUrl: api.config.databaseUrl, natsUrl, redisUrl: null, namespace }
    bus = openFleetBus(config, log)
    owner = 0
    const repository = new UpstreamHealthRepository(api.database)
    watches = [0, 1].map((n) => new UpstreamWatch(repository, () => owner === n, config, log, policy))
    await Promise.all(watches.map((watch) => watch.onApplicationBootstrap()))
    says = new Map([
      ['a', []],
      ['b', []],
    ])
    speaking = setInterval(() => {
      for (const [worker, unhealthyTargets] of says) bus.sendStatus(status(worker, unhealthyTargets))
    }, 20)
  })
  afterEach(async () => {
    clearInterval(speaking)
    await Promise.all([...watches.map((watch) => watch.onModuleDestroy()), bus.close()])
  })

  function status(worker: string, unhealthyTargets: UnhealthyTarget[]): WorkerStatus {
    return {
      ...{ v: 1, worker, epoch: 1_790_000_000_000, version: '1', configEpoch: null, revision: 0, problem: null },
      ...{ ready: true, draining: false, inFlight: 1, rssBytes: 2, spoolEvents: 3, atMs: Date.now(), unhealthyTargets },
    }
  }
  const raised = async (): Promise<string[]> => {
    const events = await api.database.prisma.webhookEvent.findMany({ orderBy: { id: 'asc' } })
    return events.map(({ type }) => type)
  }
  /** Until every process has heard what is said, and has thought about it. */
  const settled = async (ms: number): Promise<unknown> => {
    const from = performance.now()
    return waitFor(() => performance.now() - from > ms)
  }

  test('an upstream that workers cannot use is told of once, also when another process decides, and once when it is back', async () => {
    says.set('a', [dead])
    await waitFor(async () => (await raised()).length === 1)
    says.set('b', [dead, { ...dead, url: 'http://b:1', reason: 'ejected' }])
    owner = 1
    await settled(500)
    expect(await raised()).toEqual(['upstream.unhealthy'])
    const [event] = await api.database.prisma.webhookEvent.findMany({ include: { deliveries: true } })
    expect(event?.payload).toMatchObject({
      ...{ type: 'upstreams', id: 'ups_1', name: 'things', workers: 2, unhealthy_since: expect.any(String) },
      targets: [{ url: 'http://a:1', reason: 'unhealthy', since: dead.since, workers: 1 }],
    })
    expect(event?.deliveries).toHaveLength(1)

    says.set('a', [])
    await settled(700)
    expect(await raised()).toHaveLength(1)
    says.set('b', [])
    await waitFor(async () => (await raised()).length === 2)
    await settled(700)
    expect(await raised()).toEqual(['upstream.unhealthy', 'upstream.healthy'])
  })

  test('of an upstream that is disabled or deleted while it is unhealthy nothing more is told', async () => {
    says.set('a', [dead])
    await waitFor(async () => (await raised()).length === 1)
    await api.call('PATCH', '/api/upstreams/ups_1', { enabled: false })
    says.set('a', [])
    await waitFor(async () => (await api.database.prisma.upstreamHealth.count()) === 0)
    expect(await raised()).toEqual(['upstream.unhealthy'])
    // A worker that has not heard of it yet.
    says.set('b', [dead])
    await settled(500)
    await api.call('DELETE', '/api/upstreams/ups_1')
    await settled(500)
    expect(await raised()).toEqual(['upstream.unhealthy'])
  })
})
