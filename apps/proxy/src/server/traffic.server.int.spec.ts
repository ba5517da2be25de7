import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { startFakeUpstream, waitFor, type FakeUpstream } from '@apigate/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestTraffic, type TestTraffic } from '../../test/traffic.fixture.ts'
import { aRouteTo, rawConnection } from '../../test/worker.fixture.ts'

let upstream: FakeUpstream
let traffic: TestTraffic

beforeAll(async () => {
  upstream = await startFakeUpstream()
  traffic = await startTestTraffic(aRouteTo(upstream.url, { authRequired: false }).items, {
    limits: {
      headerBytesMax: 2_048,
      headersMax: 20,
      urlBytesMax: 512,
      headersTimeoutMs: 300,
      requestTimeoutMs: 600,
      keepAliveTimeoutMs: 5_000,
      sendTimeoutMs: 400,
    },
  })
})
afterAll(async () => {
  await traffic.stop()
  await upstream.close()
})

/** Sends the bytes and gives the whole answer of a connection that the server closes. */
async function answerTo(text: string): Promise<{ status: number; code: string | undefined; text: string }> {
  const client = await rawConnection(traffic.port)
  client.write(text)
  const received = await client.closed()
  return {
    status: Number(received.split(' ')[1]),
    code: /"code":"(\w+)"/.exec(received)?.[1],
    text: received,
  }
}

const malformed: [name: string, request: string][] = [
  ['two Host headers', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n'],
  ['no Host header', 'GET / HTTP/1.1\r\nAccept: x\r\n\r\n'],
  [
    'length and chunks',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  ['a coding that is not decoded', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
  ['chunks in HTTP/1.0', 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a space before the colon', 'GET / HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n'],
  ['a folded header', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n'],
  ['a bare line feed', 'GET / HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n'],
  ['a bare carriage return', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rc\r\n\r\n'],
  ['a bad chunk size', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
  ['something else', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
]

test.each(malformed)('%s: 400 with an error document, and the connection is closed', async (_name, request) => {
  const before = upstream.requests.length
  const answer = await answerTo(request)
  expect(answer).toMatchObject({ status: 400, code: 'bad_request' })
  expect(answer.text.toLowerCase()).toContain('connection: close')
  expect(upstream.requests.length).toBe(before)
})

test('what is too big is told which part is', async () => {
  expect(await answerTo(`GET /${'x'.repeat(600)} HTTP/1.1\r\nHost: a\r\n\r\n`)).toMatchObject({ status: 414 })
  const manyHeaders = 'X-A: b\r\n'.repeat(20)
  expect(await answerTo(`GET / HTTP/1.1\r\nHost: a\r\n${manyHeaders}\r\n`)).toMatchObject({ status: 431 })
  const longHeader = `X-A: ${'b'.repeat(2_040)}\r\n`
  expect(await answerTo(`GET / HTTP/1.1\r\nHost: a\r\n${longHeader}\r\n`)).toMatchObject({ status: 431 })
  const hugeHeader = `X-A: ${'b'.repeat(8_000)}\r\n`
  expect(await answerTo(`GET / HTTP/1.1\r\nHost: a\r\n${hugeHeader}\r\n`)).toMatchObject({
    status: 431,
    code: 'header_fields_too_large',
  })
})

test('a client that does not come to the end of its head or its body is answered 408 and cut off', async () => {
  expect(await answerTo('GET / HTTP/1.1\r\nHost: a\r\nX-A')).toMatchObject({ status: 408, code: 'request_timeout' })
  expect(await answerTo('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab')).toMatchObject({ status: 408 })
  await waitFor(() => traffic.gateway.counters.inFlight === 0)
})

test('CONNECT and the asterisk are refused, the absolute form is taken by its own authority', async () => {
  expect(await answerTo('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n')).toMatchObject({ status: 405 })
  expect(traffic.events.at(-1)).toMatchObject({ method: 'CONNECT', path: 'a:1', status_code: 405 })
  expect(await answerTo('OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).toMatchObject({ status: 400 })
  const absolute = await answerTo('GET http://b.example/x?y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  expect(absolute.status).toBe(200)
  expect(upstream.requests.at(-1)).toMatchObject({ url: '/x?y', headers: { 'x-forwarded-host': 'b.example' } })
})

test.each([
  ['GET http://someone:sesame@b.example/x', 400, '/x'],
  ['GET http://sesame@b.example/x?sesame', 400, 'http://b.example/x', 'Host: b\r\n'],
  ['GET /x#token=sesame', 400, '/x', 'Host: b\r\n'],
  ['CONNECT someone:sesame@b.example:1', 405, 'b.example:1'],
])('the event of %s holds no secret of a target that is refused', async (target, status, path, more = '') => {
  expect(await answerTo(`${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${more}\r\n`)).toMatchObject({ status })
  expect(traffic.events.at(-1)).toMatchObject({ path, status_code: status })
})

test('a path that climbs above the root is 400 and costs the connection nothing', async () => {
  const client = await rawConnection(traffic.port)
  client.write('GET /a/../../x HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until('"code":"bad_request"')
  client.write('GET /good HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until('{"ok":true}')
  client.socket.destroy()
  expect(traffic.events.at(-2)).toMatchObject({ status_code: 400, metered_units: 0, path: '/a/../../x' })
})

test('what follows a request and is none does not cost the request its answer', async () => {
  const answer = await answerTo('GET /before HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n')
  expect(answer.text).toMatch(/^HTTP\/1.1 200 .*connection: close.*\{"ok":true\}\r\n0\r\n\r\n$/is)
  expect(traffic.events.at(-1)).toMatchObject({ path: '/before', status_code: 200, error_code: null })
})

test('a CONNECT or an upgrade behind a request without an answer harms nobody', async () => {
  const first = 'GET /first HTTP/1.1\r\nHost: a\r\n\r\n'
  expect(await answerTo(`${first}CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n`)).toMatchObject({ text: '' })
  const client = await rawConnection(traffic.port)
  client.write(`${first}GET /second HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`)
  await waitFor(() => /HTTP\/1.1 200 OK.*HTTP\/1.1 200 OK/s.test(client.text()))
  client.socket.destroy()
  await waitFor(() => traffic.gateway.counters.inFlight === 0)
})

test('an expectation that nobody knows is passed over', async () => {
  const answer = await answerTo('GET /hope HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nConnection: close\r\n\r\n')
  expect(answer.status).toBe(200)
  expect(upstream.requests.at(-1)).toMatchObject({
    url: '/hope',
    headers: expect.not.objectContaining({ expect: 'x' }),
  })
  expect(traffic.events.at(-1)).toMatchObject({ path: '/hope', status_code: 200 })
})

test('HTTP/1.0 without Host is served, and closed after the answer', async () => {
  const answer = await answerTo('GET / HTTP/1.0\r\n\r\n')
  expect(answer.status).toBe(200)
  expect(answer.text).not.toContain('chunked')
})

test('pipelined requests are answered in their order', async () => {
  const client = await rawConnection(traffic.port)
  client.write(
    'GET /1 HTTP/1.1\r\nHost: a\r\nX-Request-ID: first\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nX-Request-ID: second\r\n\r\n',
  )
  const text = await client.until('x-request-id: second')
  expect(text.indexOf('x-request-id: first')).toBeGreaterThan(0)
  expect(text.indexOf('x-request-id: first')).toBeLessThan(text.indexOf('x-request-id: second'))
  client.socket.destroy()
})

test('pipelined requests are served one after the other, so that none overtakes another', async () => {
  let running = 0
  let runningMax = 0
  const order: string[] = []
  upstream.handle((request, response) => {
    running += 1
    runningMax = Math.max(running, runningMax)
    order.push(request.url!)
    setImmediate(() => {
      running -= 1
      response.end('ok')
    })
  })
  const client = await rawConnection(traffic.port)
  const paths = Array.from({ length: 500 }, (_, i) => `/${i}`)
  client.write(paths.map((path) => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx`).join(''))
  await waitFor(() => client.text().match(/HTTP\/1.1 200 OK/g)?.length === 500)
  client.socket.destroy()
  upstream.handle(null)
  expect(order).toEqual(paths)
  expect(runningMax).toBe(1)
})

test('a client that pipelines without end is read no further while the first has no answer', async () => {
  let first: ServerResponse | null = null
  upstream.handle((_request, response) => (first === null ? (first = response) : response.end('ok')))
  // Before there is a connection, whose first head has 300 ms.
  const requests = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(1_000)}\r\n\r\n`.repeat(40_000))
  const client = await rawConnection(traffic.port)
  client.write(requests)
  const held = await waitFor(() => first)
  // As long as others are served, the server had the time to read on.
  for (let i = 0; i < 20; i++) await fetch(traffic.url).then((answer) => answer.text())
  expect(client.socket.writableLength).toBeGreaterThan(0)
  held.end('ok')
  // At least those that were read: the head that was cut by the pause may have run out of its time (300 ms here).
  await waitFor(() => (client.text().match(/HTTP\/1.1 200 OK/g)?.length ?? 0) > 32)
  client.socket.destroy()
  upstream.handle(null)
  await waitFor(() => traffic.gateway.counters.inFlight === 0)
})

test('behind pipelined requests that wait, what cannot be read ends the connection after the last of them', async () => {
  const held: ServerResponse[] = []
  upstream.handle((_request, response) => void held.push(response))
  const client = await rawConnection(traffic.port)
  const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
  client.write(`${get}${get}nonsense\r\n\r\n`)
  for (let i = 0; i < 2; i++) (await waitFor(() => held[i])).end(`answer ${i}`)
  const text = await client.closed()
  expect(text).toMatch(/answer 0.*connection: close.*answer 1/is)
  expect(text).not.toContain('bad_request')

  const broken = await rawConnection(traffic.port)
  broken.write(`${get}POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`)
  ;(await waitFor(() => held[2])).end('answer 2')
  expect(await broken.closed()).toMatch(/answer 2.*HTTP\/1.1 400 .*"code":"bad_request"/s)
  upstream.handle(null)
})

test('a client that takes nothing of its answer is cut off, one that reads slowly is not', async () => {
  const bytes = 24 << 20
  upstream.handle((_request, response) => void response.end(Buffer.alloc(bytes)))
  const before = traffic.events.length
  const stuck = await rawConnection(traffic.port)
  stuck.socket.pause()
  stuck.write('GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n')

  const slow = connect({ port: traffic.port, host: '127.0.0.1' })
  let received = 0
  let isClosed = false
  slow.on('close', () => (isClosed = true))
  slow.on('data', (chunk) => {
    received += chunk.length
    slow.pause()
    setTimeout(() => slow.resume(), 5)
  })
  slow.write('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
  await waitFor(() => received > bytes || isClosed, { timeoutMs: 20_000 })
  expect(isClosed).toBe(false)
  slow.destroy()
  await waitFor(() => traffic.events.length === before + 2)
  upstream.handle(null)
  expect(traffic.events.find(({ path }) => path === '/stuck')).toMatchObject({ error_code: 'client_closed_request' })
  expect(traffic.events.find(({ path }) => path === '/slow')).toMatchObject({ error_code: null, response_bytes: bytes })
})

test('an upstream that is silent for longer than that costs a client nothing', async () => {
  let held: ServerResponse | null = null
  upstream.handle((_request, response) => (held = response))
  const startedAt = performance.now()
  const answer = fetch(traffic.url)
  const response = await waitFor(() => held)
  await waitFor(() => performance.now() - startedAt > 1_000)
  response.end('late')
  expect(await (await answer).text()).toBe('late')
  upstream.handle(null)
})
