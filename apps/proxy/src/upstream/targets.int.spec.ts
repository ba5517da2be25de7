import type { UpstreamConfig } from '@apigate/core'
import { startFakeUpstream, waitFor, type FakeUpstream } from '@apigate/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { aRouteTo, put, startTestWorker, type TestWorker } from '../../test/worker.fixture.ts'

let servers: FakeUpstream[]
let worker: TestWorker

beforeEach(async () => {
  servers = [await startFakeUpstream(), await startFakeUpstream()]
})
afterEach(async () => {
  await worker.stop()
  for (const server of servers) await server.close()
})

const gone = 'http://127.0.0.1:9'
const answers = () => servers.map(({ requests }) => requests.filter(({ url }) => url !== '/health').length)

async function start(over: Partial<UpstreamConfig>): Promise<ReturnType<typeof aRouteTo>> {
  const to = aRouteTo('http://unused.invalid/base', { authRequired: false }, over)
  worker = await startTestWorker({ items: to.items })
  return to
}

async function statuses(count: number, init: RequestInit = {}): Promise<number[]> {
  const all: number[] = []
  for (let i = 0; i < count; i++) {
    const response = await fetch(`${worker.url}/x`, init)
    await response.arrayBuffer()
    all.push(response.status)
  }
  return all
}

const unhealthy = () => worker.statuses.at(-1)?.unhealthyTargets ?? []

test('requests are shared by weight, under the path of base_url and the host of the target', async () => {
  await start({ targets: servers.map(({ url }, i) => ({ url, weight: i === 0 ? 3 : 1 })) })
  await statuses(8)
  expect(answers()).toEqual([6, 2])
  expect(servers[1]!.requests[0]).toMatchObject({ url: '/base/x', headers: { host: new URL(servers[1]!.url).host } })
})

test('a target that refuses connections is left out after five, and retries spare the client all of it', async () => {
  await start({ targets: [gone, servers[0]!.url].map((url) => ({ url, weight: 1 })), retries: 1 })
  expect(await statuses(20)).toEqual(Array(20).fill(200))
  await waitFor(() => unhealthy().length === 1)
  expect(unhealthy()).toMatchObject([{ url: gone, reason: 'ejected' }])
  const metrics = await (await fetch(`${worker.statusUrl}/metrics`)).text()
  expect(metrics).toContain('apigate_upstream_retries_total 5\n')
  expect(metrics).toContain('apigate_upstream_targets_unhealthy 1\n')
})

test('without retries the failures are the client’s until the target is ejected', async () => {
  await start({ targets: [gone, servers[0]!.url].map((url) => ({ url, weight: 1 })) })
  const all = await statuses(20)
  expect(all.filter((status) => status === 502)).toHaveLength(5)
  expect(all.slice(-8)).toEqual(Array(8).fill(200))
})

test('what is not idempotent, or has a body on its way, is never sent twice', async () => {
  for (const server of servers) server.handle((request) => void request.socket.destroy())
  await start({ targets: servers.map(({ url }) => ({ url, weight: 1 })), retries: 3 })
  let requests = 0
  for (const server of servers) {
    server.handle((request) => {
      requests += 1
      request.socket.destroy()
    })
  }
  expect(await statuses(1, { method: 'POST' })).toEqual([502])
  expect(await statuses(1, { method: 'PUT', body: 'x' })).toEqual([502])
  expect(requests).toBe(2)
  expect(await statuses(1)).toEqual([502])
  // Itself, and three retries.
  expect(requests).toBe(6)
})

test('with all targets ejected the answer is 503 without a try, and one try a second later brings it back', async () => {
  servers[0]!.handle((request) => void request.socket.destroy())
  await start({ targets: [{ url: servers[0]!.url, weight: 1 }] })
  expect(await statuses(7)).toEqual([502, 502, 502, 502, 502, 503, 503])
  const refused = await fetch(worker.url)
  expect(await refused.json()).toMatchObject({ errors: [{ code: 'upstream_unavailable' }] })
  servers[0]!.handle(null)
  await waitFor(async () => (await statuses(1))[0] === 200)
  await waitFor(() => unhealthy().length === 0)
})

test('checks take a target out before a request meets it, and back in', async () => {
  let isWell = false
  servers[1]!.answer(({ url }, response) => {
    response.statusCode = url === '/health' && !isWell ? 500 : 200
    response.end()
  })
  await start({
    targets: servers.map(({ url }) => ({ url, weight: 1 })),
    healthCheck: { path: '/health', intervalMs: 20, unhealthyAfter: 2, healthyAfter: 2 },
  })
  await waitFor(() => unhealthy().length === 1)
  expect(unhealthy()).toMatchObject([{ url: servers[1]!.url, reason: 'unhealthy' }])
  await statuses(4)
  expect(answers()).toEqual([4, 0])
  isWell = true
  await waitFor(() => unhealthy().length === 0)
  await statuses(4)
  expect(answers()).toEqual([6, 2])
})

test('an upstream that is changed or deleted is not checked on any more', async () => {
  const healthCheck = { path: '/health', intervalMs: 10, unhealthyAfter: 1, healthyAfter: 1 }
  const to = await start({ targets: [{ url: servers[0]!.url, weight: 1 }], healthCheck })
  await waitFor(() => servers[0]!.requests.length > 2)
  const next = { ...to.upstream, targets: [{ url: servers[1]!.url, weight: 1 }] }
  worker.feed.publish(put('upstream', next))
  await waitFor(() => servers[1]!.requests.length > 2)
  const before = servers[0]!.requests.length
  await waitFor(() => servers[1]!.requests.length > 6)
  expect(servers[0]!.requests.length).toBe(before)
})
