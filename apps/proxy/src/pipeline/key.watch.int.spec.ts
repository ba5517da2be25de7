import type { ServerResponse } from 'node:http'
import { startFakeUpstream, waitFor, type FakeUpstream } from '@apigate/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startTestTraffic, type TestTraffic } from '../../test/traffic.fixture.ts'
import { aCustomer, aRouteTo, put, rawConnection } from '../../test/worker.fixture.ts'

let upstream: FakeUpstream
let traffic: TestTraffic
let streams: ServerResponse[]
const customer = aCustomer()
const { key } = customer
const user = customer.items.find(({ kind }) => kind === 'user') as { value: { id: string } }

beforeEach(async () => {
  upstream = await startFakeUpstream()
  streams = []
  upstream.handle((_request, response) => void streams.push(response))
  const routes = ['sse', 'http'] as const
  traffic = await startTestTraffic([
    ...customer.items,
    ...routes.flatMap((protocol) => aRouteTo(upstream.url, { pathPattern: `/${protocol}`, protocol }).items),
  ])
})
afterEach(async () => {
  await traffic.stop()
  await upstream.close()
})

async function open(path: string) {
  const client = await rawConnection(traffic.port)
  client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nX-API-Key: ${key.clear}\r\n\r\n`)
  return { client, stream: await waitFor(() => streams.at(-1)) }
}

test('a stream is cut off when its key is revoked, and its event says why and what was used', async () => {
  const { client, stream } = await open('/sse')
  stream.write('data: 1\n\n')
  await client.until('data: 1')
  traffic.apply(put('key', { ...key.config, revokedAtMs: 1 } as { id: string }))
  expect(await client.closed()).toMatch(/data: 1\n\n\r\n$/)
  await waitFor(() => stream.closed)
  expect(traffic.events).toMatchObject([{ status_code: 200, error_code: 'key_revoked', response_bytes: 9 }])
  await waitFor(() => traffic.gateway.counters.inFlight === 0)
})

test('one that has no answer yet is refused when its owner is suspended', async () => {
  const { client, stream } = await open('/sse')
  traffic.apply(put('user', { ...user.value, status: 'suspended' } as { id: string }))
  await client.until('"code":"user_suspended"')
  await waitFor(() => stream.closed)
  expect(traffic.events).toMatchObject([{ status_code: 403, metered_units: 0 }])
  client.socket.destroy()
})

test('an answer that is no stream comes to its end', async () => {
  const { client, stream } = await open('/http')
  stream.write('some')
  await client.until('some')
  traffic.apply(put('key', { ...key.config, revokedAtMs: 1 } as { id: string }))
  stream.end(' more')
  await client.until('\r\n0\r\n')
  client.socket.destroy()
  expect(traffic.events).toMatchObject([{ status_code: 200, error_code: null }])
})
