import type { ServerResponse } from 'node:http'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { RouteConfig } from '@apigate/core'
import { startFakeUpstream, waitFor, type FakeUpstream } from '@apigate/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestTraffic, type TestTraffic } from '../../../test/traffic.fixture.ts'
import { aCustomer, aRouteTo, rawConnection } from '../../../test/worker.fixture.ts'

const customer = aCustomer({ rateLimitPerMinute: 0, requestsPerMonth: 1_000 })
const json = { 'content-type': 'application/json' }

let upstream: FakeUpstream
let traffic: TestTraffic
beforeAll(async () => {
  upstream = await startFakeUpstream()
  traffic = await startTestTraffic(customer.items)
})
afterAll(async () => {
  await traffic?.stop()
  await upstream?.close()
})
beforeEach(() => {
  upstream.handle(null)
  traffic.events.length = 0
})

let path = ''
let count = 0

function route(meteringExpr: string, over: Partial<RouteConfig> = {}): void {
  path = `/m${(count += 1)}`
  const config = {
    pathPattern: `${path}/*`,
    authRequired: false,
    meteringMode: 'custom',
    meteringExpr,
    ...over,
  } as const
  traffic.apply(...aRouteTo(upstream.url, config).items)
}

const ask = (rest = '/', init: RequestInit = {}): Promise<Response> => fetch(`${traffic.url}${path}${rest}`, init)

/** Units and error of the event of one answered request. */
async function cost(rest?: string, init?: RequestInit): Promise<[number, string | null]> {
  const before = traffic.events.length
  await (await ask(rest, init)).arrayBuffer()
  const event = await waitFor(() => traffic.events[before])
  return [event.metered_units, event.metering_error]
}

test('an expression sees the request and the answer', async () => {
  route(
    'number(query.n) * params.item.length + requestBytes + responseBytes + number(response.headers["X-Cost"]) + (method == "PUT" ? 100 : 0) + (path == request.headers["x-path"] ? 1000 : 0) + (latencyMs >= 0 ? 10000 : 0) + status * 100000',
    {
      pathPattern: `/m${count + 1}/{item}`,
      pathMatch: 'exact',
    },
  )
  upstream.answer({ status: 201, headers: { 'x-cost': '7', 'content-length': '2' }, body: 'ok' })
  const headers = { 'x-path': `${path}/a%20b` }
  expect(await cost('/a%20b?n=%32&n=9', { method: 'PUT', body: '12345', headers })).toEqual([20_111_120, null])
})

test.each([
  ['plain', (text: string) => text],
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
])('reads bodies of both sides (%s), and passes them as they came', async (coding, encode) => {
  route('request.body.n + response.body.usage.total_tokens', { meteringMode: 'response_field' })
  const encoding: Record<string, string> = coding === 'plain' ? {} : { 'content-encoding': coding }
  upstream.answer({ headers: { ...json, ...encoding }, body: encode('{"usage":{"total_tokens":40.5}}') })
  const body = encode('{"n":2}') as string
  expect(await cost('/', { method: 'POST', body, headers: { ...json, ...encoding } })).toEqual([43, null])
  expect(upstream.requests.at(-1)!.body).toEqual(Buffer.from(body))
})

test('keeps bodies to a bound, of the bytes and of what they unpack to', async () => {
  route('status >= 400 ? 0 : response.body.n + request.body.n')
  const large = `{"n":1,"x":"${'x'.repeat(1_100_000)}"}`
  const post = { method: 'POST', body: '{"n":1}' }
  upstream.answer({ headers: json, body: large })
  expect(await cost('/', post)).toEqual([1, 'body_too_large'])
  upstream.answer({ headers: { ...json, 'content-encoding': 'gzip' }, body: gzipSync(large) })
  expect(await cost('/', post)).toEqual([1, 'body_too_large'])
  upstream.answer({ headers: json, body: '{"n":1}' })
  expect(await cost('/', { method: 'POST', body: large })).toEqual([1, 'body_too_large'])
  expect(await cost('/', { method: 'POST', body: '{"n":5}' })).toEqual([6, null])
  upstream.answer({ status: 500, headers: json, body: large })
  expect(await cost('/', post)).toEqual([0, null])
})

test('an expression that fails costs one unit, and never the client’s answer', async () => {
  route('response.body.n * 2')
  for (const [headers, body, error] of [
    [json, '{}', 'null_in_arithmetic'],
    [json, '{"n":', 'null_in_arithmetic'],
    [json, '{"n":"5"}', 'not_a_number'],
    [{ 'content-type': 'text/plain' }, 'hello', 'null_in_arithmetic'],
    [{ ...json, 'content-encoding': 'compress' }, '{"n":1}', 'body_not_decodable'],
    [json, '{"n":1e300}', 'out_of_bounds'],
  ] as const) {
    upstream.answer({ headers, body })
    const answer = await ask()
    expect([answer.status, await answer.text()]).toEqual([200, body])
    expect(traffic.events.at(-1)).toMatchObject({ metering_error: error })
  }
  const units = traffic.events.map((event) => event.metered_units)
  expect(units).toEqual([1, 1, 1, 1, 1, 10 ** 12])
})

test('what the gateway answers itself costs nothing', async () => {
  route('500', { authRequired: true })
  expect(await cost()).toEqual([0, null])
})

test('units that are known only after the answer settle the quota', async () => {
  route('response.body.n', { authRequired: true })
  upstream.answer({ headers: json, body: '{"n":250}' })
  const headers = { 'x-api-key': customer.key.clear }
  const first = await ask('/', { headers })
  await first.text()
  const second = await ask('/', { headers })
  expect([first, second].map((answer) => answer.headers.get('x-quota-used'))).toEqual(['1', '251'])
})

test('a transformed exchange is metered by what the client sent and the upstream answered', async () => {
  route('request.body.n * 100 + response.body.n', {
    requestTransform: { body: { set: { n: 9 } } },
    responseTransform: { body: { set: { n: 9 } } },
  })
  upstream.answer({ headers: json, body: '{"n":3}' })
  expect(await cost('/', { method: 'POST', body: '{"n":2}', headers: json })).toEqual([203, null])
})

test('an answer that breaks off is not metered by half a body', async () => {
  route('response.body.n')
  upstream.handle((_request, response) => {
    response.writeHead(200, { ...json, 'content-length': '100' }).write('{"n":5}')
    setTimeout(() => response.destroy(), 20)
  })
  await ask()
    .then(
      (answer) => answer.text(),
      () => {},
    )
    .catch(() => {})
  const event = await waitFor(() => traffic.events[0])
  expect(event).toMatchObject({ metered_units: 1, metering_error: 'body_incomplete', error_code: 'upstream_error' })
})

test('a large upload passes a reading meter with back-pressure', async () => {
  route('requestBytes + (request.body ?? 0)')
  const bytes = 20 << 20
  upstream.answer({ headers: json, body: '{}' })
  expect(await cost('/', { method: 'POST', body: Buffer.alloc(bytes) })).toEqual([1, 'body_too_large'])
  expect(upstream.requests.at(-1)!.body.length).toBe(bytes)
  expect(traffic.events[0]).toMatchObject({ request_bytes: bytes })
})

describe('an event stream', () => {
  const events = [
    'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":12,"output_tokens":1}}}\n\n',
    'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":30}}\n\n',
    'data: [DONE]\n\n',
  ]

  test.each(['sse', 'http_stream', 'http'] as const)('is metered from its events (%s)', async (protocol) => {
    route('sse.events * 1000 + sse.usage.total_tokens + sse.last.usage.output_tokens', { protocol })
    upstream.handle((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
      for (const event of events) for (const half of [event.slice(0, 25), event.slice(25)]) response.write(half)
      response.end()
    })
    expect(await cost()).toEqual([3072, null])
  })

  test('passes event by event while it is read', async () => {
    route('sse.events', { protocol: 'sse' })
    let stream: ServerResponse | null = null
    upstream.handle((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      stream = response
    })
    const client = await rawConnection(traffic.port)
    client.write(`GET ${path}/ HTTP/1.1\r\nHost: a\r\n\r\n`)
    await client.until('text/event-stream')
    const open = await waitFor(() => stream)
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      open.write(event)
      await client.until(event)
    }
    client.socket.destroy()
    const event = await waitFor(() => traffic.events[0])
    expect(event).toMatchObject({ metered_units: 2, metering_error: null, error_code: 'client_closed_request' })
  })

  test('is read when it has ended, where it comes compressed', async () => {
    route('sse.usage.total_tokens', { protocol: 'sse' })
    const headers = { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' }
    upstream.answer({ headers, body: gzipSync(events.join('')) })
    expect(await cost()).toEqual([42, null])
  })

  test('is none where the answer is JSON, as of a client that asked for no stream', async () => {
    route('sse.usage.total_tokens ?? response.body.usage.total_tokens', { protocol: 'sse' })
    upstream.answer({ headers: json, body: '{"usage":{"total_tokens":9}}' })
    expect(await cost()).toEqual([9, null])
  })
})
