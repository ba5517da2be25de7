import { Reach, type LookUpAll } from '@apigate/platform'
import { startFakeUpstream, type FakeUpstream } from '@apigate/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startTestTraffic, type TestTraffic } from '../../test/traffic.fixture.ts'
import { aRouteTo } from '../../test/worker.fixture.ts'

let upstream: FakeUpstream
let traffic: TestTraffic | null = null
/** Our own DNS. */
const names = new Map<string, string[]>()
let lookUps: string[]
const lookUp: LookUpAll = (hostname, callback) => {
  lookUps.push(hostname)
  callback(
    null,
    (names.get(hostname) ?? []).map((address) => ({ address, family: 4 })),
  )
}

beforeEach(async () => {
  upstream = await startFakeUpstream()
  lookUps = []
  names.clear()
})
afterEach(async () => {
  await traffic?.stop()
  await upstream.close()
})

async function start(hostname: string, entries: string[]): Promise<TestTraffic> {
  const url = `http://${hostname}:${new URL(upstream.url).port}`
  const { items } = aRouteTo(url, { authRequired: false })
  traffic = await startTestTraffic(items, { upstreamReach: new Reach(entries, lookUp) })
  return traffic
}

test('an upstream within is reached: its name is looked up once, and what was looked at is dialled', async () => {
  names.set('things.example', ['127.0.0.1'])
  const { url } = await start('things.example', ['127.0.0.1'])
  expect((await fetch(url)).status).toBe(200)
  // The connection is kept; what the name says meanwhile does not matter.
  names.set('things.example', ['127.0.0.2'])
  expect((await fetch(url)).status).toBe(200)
  expect(lookUps).toEqual(['things.example'])
  expect(upstream.requests[0]?.headers.host).toBe(new URL(upstream.url).host.replace('127.0.0.1', 'things.example'))
})

test.each([
  ['a name that leads elsewhere', 'inside.example', ['127.0.0.1']],
  ['a name of which one address is elsewhere', 'half.example', ['93.184.216.34', '127.0.0.1']],
  ['an address', '127.0.0.1', []],
  ['an address in another spelling', '2130706433', []],
  ['an address in IPv6 clothes', '[::ffff:127.0.0.1]', []],
])('%s is not reached: 502, then 503, and nothing arrives', async (_, hostname, addresses) => {
  names.set(hostname, addresses)
  const { url } = await start(hostname, ['public'])
  const statuses = new Set<number>()
  for (let n = 0; n < 6; n++) statuses.add((await fetch(url)).status)
  expect([...statuses]).toEqual([502, 503])
  expect(upstream.requests).toEqual([])
})

test('a WebSocket is not let out either', async () => {
  const url = `http://127.0.0.1:${new URL(upstream.url).port}`
  const { items } = aRouteTo(url, { authRequired: false, protocol: 'websocket' })
  traffic = await startTestTraffic(items, { upstreamReach: new Reach(['public'], lookUp) })
  expect(await upgrade(traffic)).toBe(502)
  expect(upstream.requests).toEqual([])
  await traffic.stop()

  names.set('inside.example', ['127.0.0.1'])
  for (const [entries, status] of [
    [['public'], 502],
    [['127.0.0.1'], 101],
  ] as const) {
    const named = aRouteTo(url.replace('127.0.0.1', 'inside.example'), { authRequired: false, protocol: 'websocket' })
    traffic = await startTestTraffic(named.items, { upstreamReach: new Reach(entries, lookUp) })
    expect(await upgrade(traffic)).toBe(status)
    if (status === 502) await traffic.stop()
  }
})

/** The status of the answer. */
function upgrade({ url }: TestTraffic): Promise<unknown> {
  const socket = new WebSocket(url.replace('http', 'ws'))
  return new Promise((resolve) => {
    socket.on('error', () => {})
    socket.on('open', () => {
      socket.terminate()
      resolve(101)
    })
    socket.on('unexpected-response', (_request, response) => resolve(response.statusCode))
  })
}
