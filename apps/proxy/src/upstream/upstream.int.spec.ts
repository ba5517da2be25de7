import type { ServerResponse } from 'node:http'
import { startFakeUpstream, waitFor, type FakeUpstream } from '@apigate/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startTestTraffic, type TestTraffic } from '../../test/traffic.fixture.ts'
import { aRouteTo, put } from '../../test/worker.fixture.ts'

let upstream: FakeUpstream
let traffic: TestTraffic
let connections: Set<number>
let waiting: ServerResponse[]

beforeEach(async () => {
  upstream = await startFakeUpstream()
  connections = new Set()
  waiting = []
  upstream.handle((request, response) => {
    connections.add(request.socket.remotePort!)
    if (request.url === '/wait') waiting.push(response)
    else response.end('ok')
  })
})
afterEach(async () => {
  await traffic.stop()
  await upstream.close()
})

const get = async (path: string) => (await fetch(traffic.url + path)).text()

test('one request after another goes by one connection', async () => {
  traffic = await startTestTraffic(aRouteTo(upstream.url, { authRequired: false }).items)
  for (let i = 0; i < 5; i++) expect(await get('/')).toBe('ok')
  expect(connections.size).toBe(1)
})

test('max_idle_conns bounds what is kept, not what runs: no request waits behind a slow one', async () => {
  traffic = await startTestTraffic(aRouteTo(upstream.url, { authRequired: false }, { maxIdleConns: 1 }).items)
  const slow = [get('/wait'), get('/wait')]
  await waitFor(() => waiting.length === 2)
  expect(await get('/')).toBe('ok')
  for (const response of waiting) response.end('late')
  expect(await Promise.all(slow)).toEqual(['late', 'late'])
  connections.clear()
  for (let i = 0; i < 3; i++) await get('/')
  expect(connections.size).toBe(1)
})

test('an upstream that changes closes its old connections when nothing runs on them, and not before', async () => {
  const to = aRouteTo(upstream.url, { authRequired: false })
  traffic = await startTestTraffic(to.items)
  const slow = get('/wait')
  await waitFor(() => waiting.length === 1)
  let isOldClosed = false
  waiting[0]!.socket!.on('close', () => (isOldClosed = true))

  traffic.apply(put('upstream', { ...to.upstream, timeoutMs: 1_234 } as { id: string }))
  expect(await get('/')).toBe('ok')
  expect(connections.size).toBe(2)
  expect(isOldClosed).toBe(false)
  waiting[0]!.end('late')
  expect(await slow).toBe('late')
  await waitFor(() => isOldClosed)
})

test('a change elsewhere leaves an upstream its connections', async () => {
  traffic = await startTestTraffic(aRouteTo(upstream.url, { authRequired: false }).items)
  await get('/')
  traffic.apply(...aRouteTo(upstream.url, { pathPattern: '/other', authRequired: false }).items)
  await get('/')
  expect(connections.size).toBe(1)
})

test('an upstream that is retired and comes back as it was keeps connections again', async () => {
  const to = aRouteTo(upstream.url, { authRequired: false })
  traffic = await startTestTraffic(to.items)
  const before = traffic.live.current!
  await get('/')
  traffic.apply(put('upstream', { ...to.upstream, timeoutMs: 1_234 } as { id: string }))
  // As when tables were made of those from before while these were swapped in.
  traffic.live.swap({ ...before, revision: before.revision + 2 }, null)
  connections.clear()
  for (let i = 0; i < 3; i++) await get('/')
  expect(connections.size).toBe(1)
})
