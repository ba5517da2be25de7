import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { WorkerStatus } from '@apigate/contracts'
import { startFakeUpstream, waitFor, type FakeUpstream } from '@apigate/testing'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { FakeFeed } from '../test/feed.fake.ts'
import { memoryStore } from '../test/limits.fixture.ts'
import { aCustomer, aRouteTo, put, rawConnection, startTestWorker, type TestWorker } from '../test/worker.fixture.ts'

let upstream: FakeUpstream
const workers: TestWorker[] = []

async function worker(...options: Parameters<typeof startTestWorker>): Promise<TestWorker> {
  const started = await startTestWorker(...options)
  workers.push(started)
  return started
}

beforeAll(async () => {
  upstream = await startFakeUpstream()
})
afterEach(async () => {
  for (const each of workers.splice(0)) await each.stop()
})
afterAll(() => upstream.close())

test('a request with a good key reaches the upstream and is in the usage, with who, what and how much', async () => {
  const customer = aCustomer({ rateLimitPerMinute: 60, requestsPerMonth: 1_000 })
  const to = aRouteTo(`${upstream.url}/base/`, { pathPattern: '/api/*' })
  const { url, event } = await worker({ items: [...customer.items, ...to.items] })

  const answer = await fetch(`${url}/api/x%7e/../y?q=%7e`, {
    method: 'POST',
    body: 'hello',
    headers: { authorization: `Bearer ${customer.key.clear}`, 'x-request-id': 'request-1' },
  })
  expect(answer.status).toBe(200)
  expect(await answer.text()).toBe('{"ok":true}')
  expect(answer.headers.get('x-request-id')).toBe('request-1')
  expect(answer.headers.get('x-ratelimit-limit')).toBe('60')
  expect(answer.headers.get('x-ratelimit-remaining')).toBe('59')
  expect(answer.headers.get('x-quota-used')).toBe('1')
  expect(answer.headers.get('x-quota-remaining')).toBe('999')

  const seen = upstream.requests.at(-1)!
  expect(seen.url).toBe('/base/api/y?q=%7e')
  expect(seen.body.toString()).toBe('hello')
  expect(seen.headers).toMatchObject({
    'x-user-id': customer.userId,
    'x-key-id': customer.key.config.id,
    'x-plan-id': customer.plan.id,
    'x-request-id': 'request-1',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': new URL(url).host,
    via: '1.1 apigate',
    host: new URL(upstream.url).host,
  })
  expect(seen.headers).not.toHaveProperty('authorization')

  expect(await event('request-1')).toMatchObject({
    seq: 1,
    user_id: customer.userId,
    group_id: null,
    api_key_id: customer.key.config.id,
    plan_id: customer.plan.id,
    route_id: to.route.id,
    upstream_id: to.upstream.id,
    method: 'POST',
    path: '/api/y',
    status_code: 200,
    request_bytes: 5,
    response_bytes: 11,
    metered_units: 1,
    error_code: null,
    config_revision: 0,
    client_ip: '127.0.0.1',
  })
})

test('a key that is revoked is refused with the next request, and a new one is taken', async () => {
  const customer = aCustomer()
  const { url, feed } = await worker({ items: [...customer.items, ...aRouteTo(upstream.url).items] })
  const status = async (key: string) => (await fetch(url, { headers: { 'x-api-key': key } })).status
  expect(await status(customer.key.clear)).toBe(200)

  feed.publish(put('key', { ...customer.key.config, revokedAtMs: Date.now() } as { id: string }))
  expect(await status(customer.key.clear)).toBe(401)
  const next = aCustomer()
  expect(await status(next.key.clear)).toBe(401)
  feed.publish(...next.items)
  expect(await status(next.key.clear)).toBe(200)
})

test('without tables it is not ready, and says so to clients and operators', async () => {
  const { url, statusUrl, feed, statuses } = await worker()
  const answer = await fetch(url)
  expect(answer.status).toBe(503)
  expect(await answer.json()).toMatchObject({ errors: [{ code: 'not_ready', status: '503' }] })
  const ready = await fetch(`${statusUrl}/readyz`)
  expect([ready.status, await ready.json()]).toEqual([
    503,
    {
      status: 'not_ready',
      dependencies: { tables: 'waiting for a snapshot', config_feed: 'up', limits: 'up' },
    },
  ])
  expect((await fetch(`${statusUrl}/healthz`)).status).toBe(200)

  feed.putSnapshot(aRouteTo(upstream.url, { authRequired: false }).items)
  await waitFor(() => statuses.at(-1)?.ready)
  expect((await fetch(url)).status).toBe(200)
  expect((await fetch(`${statusUrl}/readyz`)).status).toBe(200)
  expect(await (await fetch(`${statusUrl}/metrics`)).text()).toMatch(
    /\napigate_requests_total\{route="\w+",status="2xx"\} 1\n/,
  )
})

test('on shutdown it becomes unready and serves on, then finishes what runs, ships every event, and takes no connection', async () => {
  const started = await startTestWorker({
    items: aRouteTo(upstream.url, { authRequired: false }).items,
    config: { finishSeconds: 600 },
  })
  const { url, port, statusUrl, events, worker: running } = started
  const [idle, asking, sending] = [await rawConnection(port), await rawConnection(port), await rawConnection(port)]
  const get = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
  idle.write(get)
  asking.write(get)
  const before = (await idle.until('{"ok":true}')) + (await asking.until('{"ok":true}'))
  expect(before).not.toContain('close')
  sending.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nslow ')
  let letGo: (() => void) | null = null
  upstream.answer(({ method }, response) => {
    if (method === 'GET') letGo = () => void response.end('late')
    else response.end('sent')
  })
  const answer = fetch(url)
  const letAnswerGo = await waitFor(() => letGo)
  upstream.answer({ body: 'drained' })
  const [drain, finish, ...rest] = running.shutdownSteps
  await drain!.run()
  expect((await fetch(`${statusUrl}/readyz`)).status).toBe(503)
  // It still serves, and asks who keeps a connection to go elsewhere.
  asking.write(get)
  expect((await asking.closed()).toLowerCase()).toMatch(/connection: close[^]*drained/)
  const finished = finish!.run()
  // One without a request has nothing to wait for.
  await idle.closed()
  letAnswerGo()
  expect(await (await answer).text()).toBe('late')
  sending.write('upload')
  expect(await sending.closed()).toMatch(/^HTTP\/1.1 200 [^]*drained/)
  await finished
  for (const step of rest) await step.run()
  expect(events.map((event) => `${event.method} ${event.status_code} ${event.request_bytes}`).toSorted()).toEqual([
    ...['GET 200 0', 'GET 200 0', 'GET 200 0', 'GET 200 0', 'POST 200 11'],
  ])
  await expect(fetch(url)).rejects.toThrow('fetch failed')
  upstream.answer({ body: '{"ok":true}' })
})

test('on shutdown a connection is closed behind an answer that began before, not at the end of the time', async () => {
  const { url, worker: running } = await startTestWorker({
    items: aRouteTo(upstream.url, { authRequired: false, protocol: 'http_stream' }).items,
    config: { finishSeconds: 600 },
  })
  let letGo: (() => void) | null = null
  upstream.answer((_request, response) => {
    response.write('first ')
    letGo = () => void response.end('last')
  })
  const answer = await fetch(url)
  expect(answer.headers.get('connection')).toBe('keep-alive')
  const [drain, finish, ...rest] = running.shutdownSteps
  await drain!.run()
  const finished = finish!.run()
  letGo!()
  expect(await answer.text()).toBe('first last')
  await finished
  for (const step of rest) await step.run()
  upstream.answer({ body: '{"ok":true}' })
})

test('what does not finish in time is cut off, and its event says so; WebSockets are told to go', async () => {
  const {
    url,
    port,
    worker: running,
    events,
  } = await startTestWorker({
    items: [
      ...aRouteTo(upstream.url, { authRequired: false }).items,
      ...aRouteTo(upstream.url, { pathPattern: '/ws', authRequired: false, protocol: 'websocket' }).items,
    ],
    config: { finishSeconds: 1 },
  })
  upstream.answer((_request, response) => void response.write('an answer without end'))
  const answer = await fetch(url)
  const socket = new WebSocket(`${url}/ws`)
  await new Promise((resolve) => socket.once('open', resolve))
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  const sending = await rawConnection(port)
  sending.write('POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n')
  await sending.until('100 Continue')
  sending.write('slow ')

  for (const step of running.shutdownSteps) await step.run()
  expect(await closed).toBe(1001)
  await expect(answer.text()).rejects.toThrow('terminated')
  expect(events.map((event) => `${event.status_code} ${event.error_code}`).toSorted()).toEqual([
    '101 null',
    '200 service_unavailable',
    '499 service_unavailable',
  ])
  await sending.closed()
  upstream.answer({ body: '{"ok":true}' })
})

test('limits hold at the proxy: the headers count down, then 429, and 402 when the month is used up', async () => {
  const rated = aCustomer({ rateLimitPerMinute: 1, burst: 2 })
  const small = aCustomer({ rateLimitPerMinute: 0, requestsPerMonth: 1 })
  const { url } = await worker({ items: [...rated.items, ...small.items, ...aRouteTo(upstream.url).items] })
  const get = (key: string) => fetch(url, { headers: { 'x-api-key': key } })
  const answers = [await get(rated.key.clear), await get(rated.key.clear), await get(rated.key.clear)]
  expect(answers.map((each) => [each.status, each.headers.get('x-ratelimit-remaining')])).toEqual([
    [200, '1'],
    [200, '0'],
    [429, '0'],
  ])
  expect(Number(answers[2]!.headers.get('retry-after'))).toBeGreaterThan(50)
  expect((await get(small.key.clear)).status).toBe(200)
  const refused = await get(small.key.clear)
  expect(refused.status).toBe(402)
  expect(refused.headers.get('x-quota-warning')).toBe('exceeded')
  expect(refused.headers.get('x-quota-remaining')).toBe('0')
})

test('a port that is taken is a clear error', async () => {
  const { port } = await worker()
  await expect(startTestWorker({ config: { proxyPort: port } })).rejects.toThrow(/EADDRINUSE/)
})

test('with NATS and Redis away it serves from the copy on disk and is ready, and its status says so', async () => {
  const { key, items } = aCustomer()
  const dataDir = mkdtempSync(path.join(tmpdir(), 'apigate-disk-'))
  try {
    const first = await startTestWorker({ items: [...items, ...aRouteTo(upstream.url).items], dataDir })
    expect(first.statuses.at(-1)?.snapshot).toMatchObject({ from: 'feed' })
    await first.stop()
    const feed = new FakeFeed()
    feed.snapshot = new Error('away')
    const store = Object.assign(memoryStore(), { ping: () => Promise.reject(new Error('away')) })
    const second = await startTestWorker({ feed, dataDir, store })
    try {
      await waitFor(() => second.statuses.some(({ ready }) => ready))
      const status = (await (await fetch(`${second.statusUrl}/status`)).json()) as WorkerStatus
      expect(status.snapshot).toEqual({ ...first.statuses.at(-1)?.snapshot, from: 'disk' })
      expect(status.revisionAtMs).toBeGreaterThan(0)
      const ready = await fetch(`${second.statusUrl}/readyz`)
      expect([ready.status, await ready.json()]).toEqual([
        200,
        { status: 'ready', dependencies: { tables: 'up', config_feed: expect.any(String), limits: 'down' } },
      ])
      const answer = await fetch(`${second.url}/x`, { headers: { 'x-api-key': key.clear } })
      expect(answer.status).toBe(200)
    } finally {
      await second.stop()
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
})
