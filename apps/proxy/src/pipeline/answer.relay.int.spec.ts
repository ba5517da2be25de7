import type { IncomingMessage, ServerResponse } from 'node:http'
import { startFakeUpstream, waitFor, type FakeUpstream } from '@apigate/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startTestTraffic, type TestTraffic } from '../../test/traffic.fixture.ts'
import { aRouteTo, rawConnection, type RawConnection } from '../../test/worker.fixture.ts'

let upstream: FakeUpstream
let traffic: TestTraffic
let client: RawConnection

beforeEach(async () => {
  upstream = await startFakeUpstream()
  traffic = await startTestTraffic(
    aRouteTo(upstream.url, { authRequired: false, meteringMode: 'bytes' }, { timeoutMs: 700 }).items,
  )
  client = await rawConnection(traffic.port)
})
afterEach(async () => {
  client.socket.destroy()
  await traffic.stop()
  await upstream.close()
})

function get(path = '/', method = 'GET', headers = ''): void {
  client.write(`${method} ${path} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`)
}

/** Takes the next request raw: `run` is the upstream's behaviour. */
function upstreamDoes(run: (request: IncomingMessage, response: ServerResponse) => void): void {
  upstream.handle(run)
}

async function recorded(): Promise<void> {
  await waitFor(() => traffic.events.length > 0, { what: 'an event' })
}

test('the chunk that completes a known length waits for the event, and nothing before it does', async () => {
  traffic.holdEvents()
  let end = (): void => {}
  upstreamDoes((_request, response) => {
    response.writeHead(200, { 'content-length': '10' })
    response.write('12345')
    end = () => void response.end('67890')
  })
  get()
  await client.until('12345')
  end()
  await recorded()
  expect(client.text()).not.toContain('67890')
  traffic.writeHeld()
  await client.until('1234567890')
  expect(traffic.events).toMatchObject([{ response_bytes: 10, metered_units: 10, status_code: 200 }])
})

test('of a chunked answer only the end waits', async () => {
  traffic.holdEvents()
  upstreamDoes((_request, response) => {
    response.writeHead(200, { trailer: 'x-sum' })
    response.write('one')
    response.addTrailers({ 'X-Sum': '42' })
    response.end('two')
  })
  get()
  await recorded()
  const before = await client.until('two\r\n')
  expect(before).not.toContain('\r\n0\r\n')
  traffic.writeHeld()
  expect(await client.until('\r\n0\r\nx-sum: 42\r\n\r\n')).toContain('trailer: x-sum')
})

test.each([
  ['HEAD', 200, { 'content-length': '5' }, 'content-length: 5'],
  ['GET', 204, {}, '204 No Content'],
  ['GET', 304, { etag: '"x"' }, 'etag: "x"'],
  ['GET', 200, { 'content-length': '0' }, 'content-length: 0'],
] as const)('%s answered %s: without a body the head itself waits', async (method, status, headers, part) => {
  traffic.holdEvents()
  upstreamDoes((_request, response) => void response.writeHead(status, headers).end())
  get('/', method)
  await recorded()
  expect(client.text()).toBe('')
  traffic.writeHeld()
  const text = await client.until('\r\n\r\n')
  expect(text).toContain(part)
  expect(text).not.toContain('transfer-encoding')
  expect(traffic.events).toMatchObject([{ status_code: status, response_bytes: 0 }])
})

test('our own refusals wait whole', async () => {
  traffic.holdEvents()
  get('/../x')
  await recorded()
  expect(client.text()).toBe('')
  traffic.writeHeld()
  await client.until('"code":"bad_request"')
})

test('events of a stream pass at once, the head before the first of them', async () => {
  let stream: ServerResponse | null = null
  upstreamDoes((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    stream = response
  })
  get()
  await client.until('text/event-stream')
  const open = await waitFor(() => stream)
  for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
    open.write(event)
    await client.until(event)
  }
  expect(traffic.events).toEqual([])
  open.end()
  await client.until('0\r\n\r\n')
})

test('a client that goes away ends the work at the upstream, and the event says what was used', async () => {
  let isUpstreamClosed = false
  upstreamDoes((_request, response) => {
    response.on('close', () => (isUpstreamClosed = true))
    response.write('some of it')
  })
  get()
  await client.until('some of it')
  client.socket.destroy()
  await waitFor(() => isUpstreamClosed)
  await recorded()
  expect(traffic.events).toMatchObject([
    { status_code: 200, error_code: 'client_closed_request', response_bytes: 10, metered_units: 10 },
  ])
  await waitFor(() => traffic.gateway.counters.inFlight === 0)
})

test('a client that goes away before the answer is recorded with 499', async () => {
  let isUpstreamClosed = false
  upstreamDoes((_request, response) => void response.on('close', () => (isUpstreamClosed = true)))
  get()
  await waitFor(() => traffic.gateway.counters.inFlight === 1)
  client.socket.destroy()
  await waitFor(() => isUpstreamClosed)
  expect(traffic.events).toMatchObject([{ status_code: 499, error_code: 'client_closed_request' }])
})

test('an answer that breaks off is cut off for the client too, and the event says why', async () => {
  upstreamDoes((_request, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('half')
    setTimeout(() => response.destroy(), 20)
  })
  get()
  expect(await client.closed()).toMatch(/half$/)
  expect(traffic.events).toMatchObject([{ status_code: 200, error_code: 'upstream_error', response_bytes: 4 }])
})

test('an upstream that does not answer in time is 504, one that goes silent amid its answer is cut off', async () => {
  upstreamDoes(() => {})
  get()
  await client.until('"code":"upstream_timeout"')
  upstreamDoes((_request, response) => void response.write('half'))
  get()
  expect(await client.closed()).toContain('half')
  expect(traffic.events).toMatchObject([
    { status_code: 504, error_code: 'upstream_timeout', metered_units: 0 },
    { status_code: 200, error_code: 'upstream_timeout' },
  ])
})

test('a connection that is refused or reset is 502, and the client may go on', async () => {
  upstreamDoes((request) => void request.socket.resetAndDestroy())
  get()
  await client.until('"code":"upstream_error"')
  upstream.handle(null)
  get()
  await client.until('{"ok":true}')
  expect(traffic.events).toMatchObject([{ status_code: 502, metered_units: 0 }, { status_code: 200 }])
})

test('headers keep their duplicates and lose what belongs to one hop or is ours', async () => {
  upstreamDoes((_request, response) => {
    response.writeHead(200, [
      ...['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'Connection', 'X-Hop, keep-alive', 'X-Hop', 'secret'],
      ...['X-Request-ID', 'theirs', 'Keep-Alive', 'timeout=3', 'X-Own', 'yes', 'Content-Length', '2'],
    ])
    response.end('ok')
  })
  get('/', 'GET', 'X-Request-ID: mine\r\n')
  const text = await client.until('\r\n\r\nok')
  expect(text).toContain('set-cookie: a=1\r\nset-cookie: b=2\r\n')
  expect(text).toContain('x-own: yes')
  expect(text).toContain('x-request-id: mine')
  expect(text).not.toMatch(/x-hop|theirs|timeout=3/i)
})

test('bytes beyond ASCII pass in headers as they are, wherever these stand', async () => {
  const head =
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Disposition: inline; filename="Zoë.txt"\r\nX-Name: Zoë\r\n'
  upstreamDoes((request) => void request.socket.end(`${head}\r\nok`))
  get()
  const text = Buffer.from(await client.until('\r\n\r\nok'), 'latin1').toString()
  expect(text).toMatch(/^HTTP\/1.1 200 OK/)
  expect(text).toContain('content-disposition: inline; filename="Zoë.txt"\r\n')
  expect(text).toContain('x-name: Zoë\r\n')
})

test('a body goes up as it comes, with its length or in chunks, and is counted', async () => {
  const seen: string[] = []
  upstreamDoes((request, response) => {
    const framing = request.headers['content-length'] ?? request.headers['transfer-encoding']
    request.on('data', (chunk: Buffer) => seen.push(`${framing}:${chunk.toString()}`))
    request.on('end', () => response.end('done'))
  })
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc')
  await waitFor(() => seen.includes('6:abc'))
  client.write('def')
  await client.until('done')
  client.write('PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n')
  await waitFor(() => seen.includes('chunked:xy'))
  client.write('1\r\nz\r\n0\r\n\r\n')
  await waitFor(() => traffic.events.length === 2)
  expect(traffic.events.map((event) => event.request_bytes)).toEqual([6, 3])
})

test('"100 Continue" is sent when the upstream is asked, and a refused client is not told to go on', async () => {
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n')
  await client.until('HTTP/1.1 100 Continue\r\n\r\n')
  client.write('hi')
  await client.until('{"ok":true}')
  expect(upstream.requests[0]!.body.toString()).toBe('hi')
  expect(upstream.requests[0]!.headers).not.toHaveProperty('expect')

  const refused = await rawConnection(traffic.port)
  refused.write('POST /../x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n')
  const text = await refused.closed()
  expect(text).toMatch(/^HTTP\/1.1 400/)
})

test('early hints pass before the answer', async () => {
  upstreamDoes((_request, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' })
    response.end('ok')
  })
  get()
  const text = await client.until('200 OK')
  expect(text).toMatch(/^HTTP\/1.1 103 Early Hints\r\nlink: <\/style.css>; rel=preload\r\n\r\n/i)
})

test('an upstream that answers before it has read the body: the answer passes and the connection is closed', async () => {
  upstreamDoes((_request, response) => {
    response.writeHead(413, { connection: 'close', 'content-length': '8' })
    response.end('too much')
  })
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome')
  expect(await client.closed()).toMatch(/^HTTP\/1.1 413.*connection: close.*too much$/is)
})

test('a broken chunk amid a body is 400, and ends the work at the upstream', async () => {
  let isUpstreamClosed = false
  upstreamDoes((request) => void request.on('close', () => (isUpstreamClosed = true)).resume())
  client.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n')
  await waitFor(() => traffic.gateway.counters.inFlight === 1)
  client.write('zz\r\n')
  expect(await client.closed()).toMatch(/^HTTP\/1.1 400/)
  await waitFor(() => isUpstreamClosed)
  expect(traffic.events).toMatchObject([{ status_code: 400, metered_units: 0 }])
})

test('a client that reads slowly holds the upstream back', async () => {
  const bytes = 64 << 20
  let stream: ServerResponse | null = null
  upstreamDoes((_request, response) => {
    stream = response
    response.end(Buffer.alloc(bytes))
  })
  client.socket.pause()
  get()
  const slow = await waitFor(() => stream)
  upstream.handle(null)
  // Long enough for all of it, were it taken in.
  for (let i = 0; i < 100; i++) await fetch(traffic.url).then((answer) => answer.text())
  expect(slow.writableLength).toBeGreaterThan(bytes / 2)
  client.socket.resume()
  await waitFor(() => traffic.events.some((event) => event.response_bytes === bytes))
})

test('method_override asks the upstream with another method, with the framing that the client needs', async () => {
  traffic.apply(...aRouteTo(upstream.url, { authRequired: false, pathPattern: '/head', methodOverride: 'HEAD' }).items)
  upstreamDoes((_request, response) => void response.writeHead(200, { 'content-length': '5' }).end())
  get('/head')
  const text = await client.until('\r\n\r\n')
  expect(text).not.toContain('content-length: 5')
  await client.until('0\r\n\r\n')
})
