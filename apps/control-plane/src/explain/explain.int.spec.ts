import { createLogger, openFleetBus, type FleetBus } from '@apigate/platform'
import { waitFor } from '@apigate/testing'
import type { ExplainRequest } from '@apigate/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sources, startTestApi, type TestApi } from '../api.fixture.ts'

let api: TestApi
let bus: FleetBus
const asked: ExplainRequest[] = []

beforeAll(async () => {
  api = await startTestApi()
  const log = createLogger({ name: 'test', level: 'silent' })
  bus = openFleetBus({ databaseUrl: api.config.databaseUrl, natsUrl: null, redisUrl: null }, log)
})
afterAll(async () => {
  await bus?.close()
  await api?.stop()
})

const explain = (body: object) => api.call('POST', '/api/explain', body)

test('without a worker it is 503, and a worker that is named and not heard is 404', async () => {
  const { status, headers, document } = await explain({ url: '/' })
  expect([status, headers['retry-after'], document.errors[0].code]).toEqual([503, '1', 'service_unavailable'])
  const named = await explain({ url: '/', worker: 'none' })
  expect([named.status, sources(named)]).toEqual([404, [{ pointer: '/worker' }]])
})

test('a key that there is not is 404 with a pointer, whoever would answer', async () => {
  const flat = await explain({ url: '/', api_key_id: 'key_none' })
  expect([flat.status, sources(flat)]).toEqual([404, [{ pointer: '/api_key_id' }]])
  const attributes = { url: '/', api_key_id: 'key_none' }
  const whole = await explain({ data: { type: 'explanations', attributes } })
  expect([whole.status, sources(whole)]).toEqual([404, [{ pointer: '/data/attributes/api_key_id' }]])
})

test.each([
  ['nothing', {}, ['']],
  ['an empty URL and no method', { url: '', method: 'G T' }, ['/method', '/url']],
  ['a URL that is too long', { url: 'x'.repeat(9_000) }, ['/url']],
  ['a list of headers', { url: '/', headers: ['a'] }, ['/headers']],
  ['a name that is none', { url: '/', headers: { 'a b': 'c' } }, ['/headers']],
  ['a line break', { url: '/', headers: { a: 'b\r\nc: d' } }, ['/headers']],
  ['a port that there is none', { url: 'http://x:99999/' }, ['/url']],
  ['a host that there is none', { url: 'https://a b/' }, ['/url']],
  ['no host at all', { url: 'http:///x' }, ['/url']],
  ['credentials in the URL', { url: 'http://a:b@x/' }, ['/url']],
  ['what is no request', { url: 'file:///etc/passwd' }, ['/url']],
  ['numbers', { url: '/', headers: { a: 7 }, api_key_id: 7 }, ['/api_key_id', '/headers']],
  ['an unknown attribute', { url: '/', body: 'x' }, ['/body']],
])('%s is refused with a pointer to what is wrong', async (_name, body, pointers) => {
  const answer = await explain(body)
  expect(answer.status).toBe(422)
  const found = answer.document.errors.map(({ source }: { source: { pointer: string } }) => source.pointer)
  expect(found.toSorted()).toEqual(pointers)
})

test('a live worker is asked for the request as it was described', async () => {
  await api.create('api-keys', { id: 'key_a', scopes: ['admin:read'] })
  await bus.onExplain('w1', (request) => {
    asked.push(request)
    return Promise.resolve({
      ...{ v: 1, worker: 'w1', configRevision: 3, route: null, key: null, owner: null, plan: null, upstream: null },
      refusal: { status: 404, code: 'route_not_found', detail: null },
      request: { host: 'api.example.com', path: '/v1/x', query: '' },
      nearMisses: [{ id: 'rte_a', name: 'a', misses: [], lostBy: 'priority' }],
      rateLimit: { limit: 60, remaining: 1, resetAtMs: 0 },
      ...{ quota: null, metering: null },
    })
  })
  const speak = setInterval(() => {
    bus.sendStatus({
      ...{ v: 1, worker: 'w1', epoch: 1, version: '1', configEpoch: null, revision: 3, problem: null, ready: true },
      ...{ draining: false, inFlight: 0, rssBytes: 0, spoolEvents: 0, atMs: 0 },
    })
  }, 100)
  try {
    const answer = await waitFor(async () => {
      const url = 'https://API.example.com/v1/%2e%2e/x?y=[1]#frag'
      const one = await explain({ method: 'POST', url, headers: { 'X-Tag': 'a' }, api_key_id: 'key_a' })
      return one.status === 200 ? one : null
    })
    expect(asked.at(-1)).toEqual({
      ...{ v: 1, method: 'POST', target: '/v1/%2e%2e/x?y=[1]', host: 'API.example.com', headers: { 'x-tag': 'a' } },
      ...{ keyId: 'key_a', upgrade: false },
    })
    expect(answer?.document.data).toMatchObject({
      type: 'explanations',
      id: answer?.headers['x-request-id'],
      attributes: {
        worker: 'w1',
        config_revision: 3,
        refusal: { status: 404, code: 'route_not_found' },
        near_misses: [{ id: 'rte_a', misses: [], lost_by: 'priority' }],
        rate_limit: { limit: 60, remaining: 1, reset_at: '1970-01-01T00:00:00.000Z' },
      },
    })
    expect(answer?.document.data.links).toBeUndefined()
    const narrow = await api.call('POST', '/api/explain?fields[explanations]=worker', {
      data: { type: 'explanations', attributes: { url: '/x', headers: { host: 'h' } } },
    })
    expect(narrow.document.data.attributes).toEqual({ worker: 'w1' })
    expect(asked.at(-1)).toMatchObject({ method: 'GET', target: '/x', host: 'h' })
  } finally {
    clearInterval(speak)
  }
})
