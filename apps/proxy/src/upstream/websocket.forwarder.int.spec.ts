import { createServer as createHttpServer, type ServerResponse } from 'node:http'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { RouteConfig } from '@apigate/core'
import { createSealer } from '@apigate/platform'
import { startFakeUpstream, waitFor, type FakeUpstream } from '@apigate/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startTestTraffic, type TestTraffic } from '../../test/traffic.fixture.ts'
import { aCustomer, aRouteTo, encryptionKey, put, rawConnection } from '../../test/worker.fixture.ts'

let upstream: FakeUpstream
let traffic: TestTraffic
const customer = aCustomer({ requestsPerMonth: 100 })

beforeEach(async () => {
  upstream = await startFakeUpstream()
  traffic = await startTestTraffic([
    ...customer.items,
    ...aRouteTo(`${upstream.url}/base`, { pathPattern: '/ws/*', protocol: 'websocket' }, { timeoutMs: 500 }).items,
    ...aRouteTo(upstream.url, { pathPattern: '/plain', authRequired: false }).items,
    ...aRouteTo('http://127.0.0.1:9', { pathPattern: '/shut', authRequired: false, protocol: 'websocket' }).items,
  ])
})
afterEach(async () => {
  for (const server of servers.splice(0)) server.close()
  await traffic.stop()
  await upstream.close()
})

const servers: Server[] = []

async function listening(server: Server): Promise<string> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const headers = { 'x-api-key': customer.key.clear, 'x-request-id': 'socket-1', 'x-user-id': 'root' }

async function open(path = '/ws/%7Eroom?q=1'): Promise<WebSocket> {
  const socket = new WebSocket(traffic.url + path, ['chat'], { headers })
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  return socket
}

/** The answer to an upgrade that is refused. */
async function refusal(path: string, more = ''): Promise<string> {
  const client = await rawConnection(traffic.port)
  client.write(
    `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${more}\r\n`,
  )
  return client.closed()
}

test('is metered by its messages, and its headers are changed both ways', async () => {
  const route: Partial<RouteConfig> = {
    ...{ pathPattern: '/metered', protocol: 'websocket' as const, meteringMode: 'custom' as const },
    ...{
      meteringExpr: 'status * 1000 + messagesIn * 10 + messagesOut',
      requestTransform: { query: { set: { a: '1' } } },
    },
    responseTransform: { headers: { set: { 'X-Room': '${plan_id}${header.Authorization}/${header.X-User-ID}' } } },
  }
  const authValueSealed = createSealer(encryptionKey).seal('secret')
  traffic.apply(...aRouteTo(upstream.url, route, { authType: 'bearer', authValueSealed }).items)
  const socket = new WebSocket(`${traffic.url}/metered`, { headers })
  const answered = new Promise<string | undefined>((resolve) =>
    socket.once('upgrade', (answer) => resolve(answer.headers['x-room'] as string | undefined)),
  )
  let echoed = 0
  socket.on('message', () => (echoed += 1))
  await new Promise((resolve) => socket.once('open', resolve))
  for (const message of ['a', '', 'x'.repeat(70_000)]) socket.send(message)
  socket.ping()
  await waitFor(() => echoed === 3)
  socket.close()
  await waitFor(() => traffic.events.length > 0)
  // Of the client's headers, and not of those that the upstream got.
  expect(await answered).toBe(`${customer.plan.id}/root`)
  expect(upstream.requests[0]!.headers.authorization).toBe('Bearer secret')
  expect(upstream.requests[0]!.url).toBe('/metered?a=1')
  expect(traffic.events).toMatchObject([{ metered_units: 101_033, metering_error: null }])
})

test('messages pass both ways, and the event at the end says how many bytes', async () => {
  const socket = await open()
  const echoed = new Promise<string>((resolve) => socket.once('message', (data: Buffer) => resolve(data.toString())))
  socket.send('hello')
  expect(await echoed).toBe('hello')
  expect(upstream.requests[0]).toMatchObject({
    url: '/base/ws/~room?q=1',
    headers: {
      'x-user-id': customer.userId,
      'x-request-id': 'socket-1',
      host: new URL(upstream.url).host,
      'sec-websocket-protocol': 'chat',
    },
  })
  expect(upstream.requests[0]!.headers).not.toHaveProperty('x-api-key')
  expect(traffic.webSockets.size).toBe(1)
  expect(traffic.events).toEqual([])

  socket.close()
  await waitFor(() => traffic.events.length === 1)
  // Frames: 2 bytes of head, 4 of mask from the client, 5 of text; Close with its code.
  expect(traffic.events[0]).toMatchObject({
    status_code: 101,
    metered_units: 1,
    request_bytes: 11 + 6,
    response_bytes: 7 + 2,
    request_id: 'socket-1',
    error_code: null,
  })
  await waitFor(() => traffic.gateway.counters.inFlight === 0)
})

test('the answer to the upgrade carries what every answer carries', async () => {
  const socket = new WebSocket(`${traffic.url}/ws/x`, { headers })
  const answer = await new Promise<Record<string, unknown>>((resolve) =>
    socket.once('upgrade', (response) => resolve(response.headers)),
  )
  expect(answer).toMatchObject({ 'x-request-id': 'socket-1', 'x-quota-used': '1', connection: 'Upgrade' })
  socket.terminate()
  await waitFor(() => traffic.events.length === 1)
})

test('an upgrade is refused as any request is, and on routes that take none', async () => {
  expect(await refusal('/ws/x')).toMatch(/^HTTP\/1.1 401 .*"code":"missing_api_key"/s)
  expect(await refusal('/plain')).toMatch(/^HTTP\/1.1 400 .*"code":"bad_request"/s)
  expect(await refusal('/shut')).toMatch(/^HTTP\/1.1 502 .*"code":"upstream_error"/s)
  expect(traffic.events.map((event) => [event.status_code, event.metered_units])).toEqual([
    [401, 0],
    [400, 0],
    [502, 0],
  ])
  await waitFor(() => traffic.gateway.counters.inFlight === 0 && traffic.webSockets.size === 0)
})

test('an upstream that refuses the upgrade is passed through, after its event is recorded', async () => {
  const url = await listening(
    createHttpServer((_request, response) => {
      response.writeHead(403, { 'x-reason': 'no' })
      response.end('x'.repeat(200_000))
    }),
  )
  traffic.apply(...aRouteTo(url, { pathPattern: '/no', authRequired: false, protocol: 'websocket' }).items)
  const text = await refusal('/no')
  expect(text).toMatch(/^HTTP\/1.1 403 .*x-reason: no/s)
  expect(text.match(/x/g)!.length).toBeGreaterThan(200_000)
  expect(traffic.events).toMatchObject([{ status_code: 403, response_bytes: 200_000, error_code: null }])
})

test('an upstream that never answers the upgrade is 504', async () => {
  const url = await listening(createServer((socket) => void socket.on('error', () => {}).resume()))
  const route = { pathPattern: '/silent', authRequired: false, protocol: 'websocket' } as const
  traffic.apply(...aRouteTo(url, route, { timeoutMs: 100 }).items)
  expect(await refusal('/silent')).toMatch(/^HTTP\/1.1 504 .*"code":"upstream_timeout"/s)
})

test.each(['000 None', '099 Low', '600 High', '999 Higher', '101 Switching Protocols'])(
  'an upstream that answers the upgrade with %s, and without one, is 502',
  async (status) => {
    const answer = `HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nok`
    const url = await listening(createServer((socket) => void socket.on('data', () => socket.write(answer))))
    traffic.apply(...aRouteTo(url, { pathPattern: '/odd', authRequired: false, protocol: 'websocket' }).items)
    expect(await refusal('/odd')).toMatch(/^HTTP\/1.1 502 .*"code":"upstream_error"/s)
    expect(traffic.events.at(-1)).toMatchObject({ status_code: 502, error_code: 'upstream_error' })
    await waitFor(() => traffic.gateway.counters.inFlight === 0)
  },
)

test('an upstream that refuses the upgrade and does not come to its end is cut off', async () => {
  const answer = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nhal'
  const url = await listening(createServer((socket) => void socket.on('data', () => socket.write(answer))))
  const route = { pathPattern: '/half', authRequired: false, protocol: 'websocket' as const }
  traffic.apply(...aRouteTo(url, route, { timeoutMs: 200 }).items)
  expect(await refusal('/half')).toMatch(/^HTTP\/1.1 403 .*hal$/s)
  expect(traffic.events.at(-1)).toMatchObject({ status_code: 403, error_code: 'upstream_timeout' })
  await waitFor(() => traffic.gateway.counters.inFlight === 0)
})

test('a key that is revoked closes its WebSockets with 1008, draining closes all with 1001', async () => {
  const closed = (socket: WebSocket) => new Promise<number>((resolve) => socket.once('close', resolve))
  const first = await open()
  const firstClosed = closed(first)
  traffic.apply(put('key', { ...customer.key.config, revokedAtMs: 1 } as { id: string }))
  expect(await firstClosed).toBe(1008)
  await waitFor(() => traffic.events.length === 1)

  traffic.apply(put('key', customer.key.config))
  const second = await open()
  const secondClosed = closed(second)
  traffic.webSockets.closeAll(1001)
  expect(await secondClosed).toBe(1001)
  await waitFor(() => traffic.webSockets.size === 0)
})

test('an upstream that is gone ends the WebSocket of a client that does not hang up', async () => {
  const url = await listening(
    createServer((socket) => {
      socket
        .on('error', () => {})
        .once('data', () => {
          const head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
          socket.end(`${head}\x88\x00`, 'latin1')
        })
    }),
  )
  const route = { pathPattern: '/gone', authRequired: false, protocol: 'websocket' } as const
  traffic.apply(...aRouteTo(url, route).items)
  const client = connect({ port: traffic.port, host: '127.0.0.1', allowHalfOpen: true })
  client.on('error', () => {})
  client.write(
    'GET /gone HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  client.resume()
  await waitFor(() => traffic.events.length === 1)
  expect(traffic.events).toMatchObject([{ status_code: 101, response_bytes: 2 }])
  client.destroy()
  await waitFor(() => traffic.gateway.counters.inFlight === 0 && traffic.webSockets.size === 0)
})

test('a client that has hung up is not waited for by an upstream that does not', async () => {
  const sockets: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', () =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
    )
  })
  traffic.apply(
    ...aRouteTo(await listening(server), { pathPattern: '/deaf', authRequired: false, protocol: 'websocket' }).items,
  )
  const client = await rawConnection(traffic.port)
  client.write(
    'GET /deaf HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  await client.until('101 Switching')
  client.socket.end()
  await waitFor(() => traffic.gateway.counters.inFlight === 0)
  expect(traffic.events.at(-1)).toMatchObject({ status_code: 101 })
  for (const socket of sockets) socket.destroy()
})

test('an upgrade to something else is served as if nobody had asked', async () => {
  const client = await rawConnection(traffic.port)
  client.write(
    'GET /plain HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n',
  )
  expect(await client.until('{"ok":true}')).toMatch(/^HTTP\/1.1 200/)
  client.socket.destroy()
})

test('an open WebSocket is recorded every so often, and its events add up to what one would say', async () => {
  traffic.webSockets.checkpointMs = 30
  traffic.apply(
    ...aRouteTo(upstream.url, {
      pathPattern: '/long',
      protocol: 'websocket',
      meteringMode: 'custom',
      meteringExpr: '10 * messagesIn',
    }).items,
  )
  const socket = await open('/long')
  for (let sent = 1; sent <= 3; sent++) {
    const before = traffic.events.length
    socket.send('12345')
    await waitFor(() => traffic.events.length >= before + 2)
  }
  socket.close()
  await waitFor(() => traffic.webSockets.size === 0)
  const sum = (name: 'metered_units' | 'request_bytes' | 'response_bytes') =>
    traffic.events.reduce((total, event) => total + event[name], 0)
  expect(sum('metered_units')).toBe(30)
  expect(sum('request_bytes')).toBe(3 * 11 + 6)
  expect(sum('response_bytes')).toBe(3 * 7 + 2)
  const { events } = traffic
  expect(events.length).toBeGreaterThan(6)
  for (const event of events) {
    expect(event).toMatchObject({ status_code: 101, request_id: 'socket-1', error_code: null })
    expect(event.metered_units).toBeGreaterThanOrEqual(0)
  }
  expect(events.map((event) => event.created_at)).toEqual(events.map((event) => event.created_at).toSorted())
})

test('a suspended owner and an expiring key end a WebSocket with 1008 within a second or two', async () => {
  const closed = (socket: WebSocket) => new Promise<number>((resolve) => socket.once('close', resolve))
  const user = customer.items.find(({ kind }) => kind === 'user') as { value: { id: string } }
  const first = closed(await open())
  traffic.apply(put('user', { ...user.value, status: 'suspended' } as { id: string }))
  expect(await first).toBe(1008)
  traffic.apply(put('user', user.value))
  traffic.apply(put('key', { ...customer.key.config, expiresAtMs: Date.now() + 500 } as { id: string }))
  // It is still good for an upgrade.
  expect(await closed(await open())).toBe(1008)
})

test('a Close frame never stands amid a frame of the upstream', async () => {
  let upstreamSocket: Socket | null = null
  const url = await listening(
    createServer((socket) => {
      upstreamSocket = socket
      socket
        .on('error', () => {})
        .once('data', () => {
          const head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
          socket.write(`${head}\x81\x05he`, 'latin1')
        })
    }),
  )
  traffic.apply(...aRouteTo(url, { pathPattern: '/amid', authRequired: false, protocol: 'websocket' }).items)
  const client = await rawConnection(traffic.port)
  client.write('GET /amid HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  await client.until('\x81\x05he')
  traffic.webSockets.closeAll(1001)
  ;(upstreamSocket as Socket | null)!.write('llo\x81\x02no', 'latin1')
  expect((await client.closed()).split('\r\n\r\n').at(-1)).toBe('\x81\x05hello\x88\x02\x03\xe9')
})

test('what an upstream sends with its 101 reaches the client', async () => {
  const url = await listening(
    createServer((socket) => {
      socket
        .on('error', () => {})
        .once('data', () => {
          const head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
          socket.write(`${head}\x81\x05early`, 'latin1')
        })
    }),
  )
  const metering = { meteringMode: 'custom', meteringExpr: '10 * messagesOut' } as const
  const route = { pathPattern: '/early', authRequired: false, protocol: 'websocket', ...metering } as const
  traffic.apply(...aRouteTo(url, route).items)
  const client = await rawConnection(traffic.port)
  client.write('GET /early HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  await client.until('\x81\x05early')
  client.socket.destroy()
  await waitFor(() => traffic.events.length === 1)
  expect(traffic.events).toMatchObject([{ metered_units: 10, response_bytes: 7 }])
})

test('a change of routes and upstreams touches no WebSocket, stream or request of others, nor those that began before it', async () => {
  const held: ServerResponse[] = []
  upstream.handle((_request, response) => void held.push(response))
  const own = aRouteTo(upstream.url, { pathPattern: '/sse', protocol: 'sse' })
  const other = aRouteTo(upstream.url, { pathPattern: '/other' })
  traffic.apply(...own.items, ...other.items)
  const socket = await open()
  const ask = async (path: string) => {
    const client = await rawConnection(traffic.port)
    client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nX-API-Key: ${customer.key.clear}\r\n\r\n`)
    const count = held.length
    await waitFor(() => held.length > count)
    return { client, answer: held.at(-1)! }
  }
  const stream = await ask('/sse')
  stream.answer.write('data: 1\n\n')
  await stream.client.until('data: 1')
  const request = await ask('/other')

  // Others come, go and change; the route of the request itself is taken away, and the upstream of the stream moved.
  const added = aRouteTo('http://127.0.0.1:9', { pathPattern: '/added' })
  traffic.apply(...added.items, { kind: 'route', op: 'delete', id: other.route.id })
  traffic.apply(put('upstream', { ...own.upstream, baseUrl: 'http://127.0.0.1:9' } as { id: string }))
  traffic.apply(
    { kind: 'route', op: 'delete', id: added.route.id },
    { kind: 'upstream', op: 'delete', id: added.upstream.id },
  )

  const echoed = new Promise<string>((resolve) => socket.once('message', (data: Buffer) => resolve(data.toString())))
  socket.send('still here')
  expect(await echoed).toBe('still here')
  stream.answer.end('data: 2\n\n')
  await stream.client.until('data: 2')
  request.answer.end('done')
  await request.client.until('done')
  await waitFor(() => traffic.events.length === 2)
  expect(traffic.events.map(({ status_code, error_code }) => [status_code, error_code])).toEqual([
    [200, null],
    [200, null],
  ])
  socket.close()
  stream.client.socket.destroy()
  request.client.socket.destroy()
})
