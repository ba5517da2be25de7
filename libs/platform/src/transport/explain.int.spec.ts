import { randomUUID } from 'node:crypto'
import type { Explanation, ExplainRequest } from '@apigate/contracts'
import { testServers } from '@apigate/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLogger } from '../logger.ts'
import { openFleetBus } from './index.ts'
import type { FleetBus } from './transport.ts'

const log = createLogger({ name: 'test', level: 'silent' })
const request: ExplainRequest = {
  ...{ v: 1, method: 'GET', target: '/é?x=1', host: 'h', headers: { 'x-tag': 'ü' }, keyId: null, upgrade: false },
}

/** Random, so that it stays longer than a NOTIFY may be, however it is compressed. */
function explanation(worker: string, asked: ExplainRequest): Explanation {
  const headers: [string, string][] = Array.from({ length: 1_000 }, () => ['x', randomUUID()])
  return {
    ...{ v: 1, worker, configRevision: 7, refusal: null, route: null, nearMisses: [], key: null, owner: null },
    ...{ plan: null, rateLimit: null, quota: null, metering: null },
    request: { host: asked.host, path: asked.target, query: asked.headers['x-tag'] ?? '' },
    upstream: { id: 'ups_a', name: 'u', method: asked.method, url: 'http://u', headers },
  }
}

describe.each(['NATS', 'PostgreSQL'])('over %s', (transport) => {
  let worker: FleetBus
  let api: FleetBus
  // The bus is shared with other tests.
  const name = `w.${randomUUID()}`
  beforeAll(() => {
    const natsUrl = transport === 'NATS' ? testServers.natsUrl : null
    const open = () => openFleetBus({ databaseUrl: testServers.databaseUrl, natsUrl, redisUrl: null }, log)
    worker = open()
    api = open()
  })
  afterAll(async () => {
    await worker?.close()
    await api?.close()
  })

  test('a worker that is asked answers, whatever the length; several questions at once get their own answers', async () => {
    const told: Explanation[] = []
    await worker.onExplain(name, async (asked) => {
      told.push(explanation(name, asked))
      return told.at(-1)!
    })
    await expect.poll(() => api.askToExplain(name, request, 500).catch(() => null), { timeout: 10_000 }).not.toBeNull()
    told.length = 0
    const methods = ['GET', 'PUT', 'POST', 'DELETE']
    const answers = await Promise.all(methods.map((method) => api.askToExplain(name, { ...request, method }, 5_000)))
    expect(answers.map(({ upstream }) => upstream?.method)).toEqual(methods)
    for (const answer of answers) expect(told).toContainEqual(answer)
    expect(answers[0]?.request).toEqual({ host: 'h', path: '/é?x=1', query: 'ü' })
  })

  test('a worker that is not there is an error, not a wait', async () => {
    await expect(api.askToExplain(`none.${name}`, request, 100)).rejects.toThrow(
      /no responders|does not answer|timeout/i,
    )
  })
})
