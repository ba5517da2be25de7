import type { WorkerStatus } from '@apigate/contracts'
import { createLogger, openFleetBus, type FleetBus } from '@apigate/platform'
import { testServers, waitFor } from '@apigate/testing'
import { describe, expect, test } from 'vitest'
import { startTestApi } from '../api.fixture.ts'

const log = createLogger({ name: 'test', level: 'silent' })

function status(worker: string, changes: Partial<WorkerStatus> = {}): WorkerStatus {
  return {
    ...{ v: 1, worker, epoch: 1_790_000_000_000, version: '1', configEpoch: null, revision: 0, problem: null },
    ...{ ready: true, draining: false, inFlight: 1, rssBytes: 2, spoolEvents: 3, atMs: Date.now() },
    ...changes,
  }
}

describe.each(['NATS', 'PostgreSQL'])('over %s', (transport) => {
  test('the workers that speak are listed with how far they are behind', async () => {
    const natsUrl = transport === 'NATS' ? testServers.natsUrl : null
    const api = await startTestApi(natsUrl === null ? {} : { NATS_URL: natsUrl })
    const [row] = (await api.database.pool.query<{ name: string }>('SELECT current_database() AS name')).rows
    const url = new URL(testServers.databaseUrl)
    url.pathname = `/${row?.name}`
    const bus: FleetBus = openFleetBus({ databaseUrl: url.href, natsUrl, redisUrl: null }, log)
    // The bus is shared with other tests on NATS.
    const name = `w-${row?.name}`
    try {
      const head = await api.database.prisma.configHead.findUniqueOrThrow({ where: { id: 1 } })
      const find = async () => (await api.call('GET', `/api/workers/${name}`)).document.data
      await waitFor(async () => {
        bus.sendStatus(status(name, { configEpoch: head.epoch, revision: Number(head.revision) - 1 }))
        return (await find()) !== undefined
      })
      expect((await find()).attributes).toMatchObject({ ready: true, lag: 1, in_flight: 1, spool_events: 3 })
      // From a worker of before, which does not say.
      expect((await find()).attributes).toMatchObject({ revision_since: null, snapshot_hash: null })
      const snapshot = { sha256: 'a'.repeat(64), revision: 1, from: 'disk' as const }
      const known = {
        configEpoch: head.epoch,
        revision: Number(head.revision) - 1,
        revisionAtMs: 1_790_000_000_000,
        snapshot,
      }
      await waitFor(async () => {
        bus.sendStatus(status(name, known))
        return (await find()).attributes.snapshot_source === 'disk'
      })
      expect((await find()).attributes).toMatchObject({
        revision_since: '2026-09-21T14:13:20.000Z',
        snapshot_hash: snapshot.sha256,
      })
      const listed = await api.call('GET', `/api/workers?filter[id]=${name}&fields[workers]=lag&sort=-lag`)
      expect(listed.document.data).toMatchObject([{ type: 'workers', id: name, attributes: { lag: 1 } }])
      expect(Date.parse(listed.document.meta.heard_at)).toBeGreaterThan(Date.now() - 30_000)
      expect((await api.call('GET', '/api/workers/none')).status).toBe(404)
    } finally {
      await bus.close()
      await api.stop()
    }
  })
})

test('without the transport the list is empty and says that nothing was heard', async () => {
  const api = await startTestApi({ NATS_URL: 'nats://127.0.0.1:1' })
  try {
    const { status, document } = await api.call('GET', '/api/workers')
    expect([status, document.data, document.meta.heard_at]).toEqual([200, [], null])
  } finally {
    await api.stop()
  }
})
