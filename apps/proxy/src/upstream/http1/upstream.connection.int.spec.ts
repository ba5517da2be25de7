import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { waitFor } from '@apigate/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startTestTraffic, type TestTraffic } from '../../../test/traffic.fixture.ts'
import { aRouteTo, rawConnection } from '../../../test/worker.fixture.ts'

/** An upstream that is handed each request's bytes, and writes what it likes. */
let server: Server
let traffic: TestTraffic
let sockets: Socket[]
let heads: string[]
let answer: (socket: Socket, head: string) => void

beforeEach(async () => {
  sockets = []
  heads = []
  server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      const head = chunk.toString('latin1')
      heads.push(head)
      answer(socket, head)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  traffic = await startTestTraffic(
    aRouteTo(url, { authRequired: false }, { timeoutMs: 400, idleConnTimeoutMs: 60_000 }).items,
  )
})
afterEach(async () => {
  await traffic.stop()
  for (const socket of sockets) socket.destroy()
  server.close()
})

const plain = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const get = async (method = 'GET'): Promise<[status: number, text: string]> => {
  const response = await fetch(traffic.url, { method })
  return [response.status, await response.text()]
}
const lastEvent = () => traffic.events.at(-1)

test('the request has one Host, ours to say, and no Connection', async () => {
  answer = (socket) => socket.write(plain)
  await fetch(traffic.url, { method: 'POST', body: 'abc', headers: { 'X-Own': 'yes' } })
  expect(heads[0]).toMatch(/^POST \/ HTTP\/1.1\r\nhost: 127\.0\.0\.1:\d+\r\n/)
  expect(heads[0]!.match(/content-length/gi)).toHaveLength(1)
  expect(heads[0]).toContain('content-length: 3\r\n')
  expect(heads[0]).not.toMatch(/^connection:/im)
})

test('an unasked 100 Continue is swallowed, other informational answers pass', async () => {
  answer = (socket) => socket.write(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${plain}`)
  const client = await rawConnection(traffic.port)
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const text = await client.until('\r\n\r\nok')
  client.socket.destroy()
  expect(text).toMatch(/^HTTP\/1.1 102 Processing\r\n\r\nHTTP\/1.1 200 OK\r\n/)
})

test.each([
  ['an upgrade that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'],
  ['a status that HTTP does not have', 'HTTP/1.1 999 Go away\r\nContent-Length: 0\r\n\r\n'],
  ['a coding that was not asked for', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
  ['framing that can be read in two ways', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n${plain.slice(17)}`],
  ['no HTTP', 'hello\r\n\r\n'],
])('%s is 502, and its connection is not used again', async (_name, text) => {
  answer = (socket) => socket.write(text)
  expect((await get())[0]).toBe(502)
  expect(lastEvent()).toMatchObject({ status_code: 502, error_code: 'upstream_error', metered_units: 0 })
  answer = (socket) => socket.write(plain)
  expect(await get()).toEqual([200, 'ok'])
  expect(sockets).toHaveLength(2)
})

test('an answer without a length ends with its connection; the client gets it in chunks', async () => {
  answer = (socket) => socket.end('HTTP/1.1 200 OK\r\nA: b\r\n\r\nall of it')
  expect(await get()).toEqual([200, 'all of it'])
  expect(lastEvent()).toMatchObject({ status_code: 200, response_bytes: 9, error_code: null })
})

test('an answer in very many very small chunks reaches its client whole', async () => {
  const count = 200_000
  answer = (socket) =>
    socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(count)}0\r\n\r\n`)
  expect(await get()).toEqual([200, 'x'.repeat(count)])
  expect(lastEvent()).toMatchObject({ response_bytes: count, error_code: null })
})

test('what is said twice is read as one, and an informational answer has no length', async () => {
  const twice = 'Connection: X-A\r\nConnection: x-b\r\nX-A: 1\r\nX-B: 2\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n'
  answer = (socket) =>
    socket.write(
      `HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\nLink: x\r\n\r\n${plain.replace('Con', `${twice}Con`)}`,
    )
  const client = await rawConnection(traffic.port)
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const text = await client.until('\r\n\r\nok')
  client.socket.destroy()
  expect(text).toMatch(/^HTTP\/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP\/1.1 200 OK\r\ncontent-type: a\/b\r\n/)
  expect(text).not.toMatch(/x-a|x-b|c\/d/i)
})

test('an upstream that sends the head of its answer byte by byte has not answered in time', async () => {
  let drip: NodeJS.Timeout | undefined
  answer = (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nX-Drip: ')
    drip = setInterval(() => socket.write('a'), 50)
  }
  expect((await get())[0]).toBe(504)
  clearInterval(drip)
  expect(lastEvent()).toMatchObject({ status_code: 504, error_code: 'upstream_timeout' })
})

test('bytes behind an answer never become the answer of the next request', async () => {
  answer = (socket) => socket.write(plain + plain.replace('ok', 'no'))
  expect(await get()).toEqual([200, 'ok'])
  answer = (socket) => socket.write(plain)
  expect(await get()).toEqual([200, 'ok'])
  expect(sockets).toHaveLength(2)
})

test('bytes on an idle connection end it', async () => {
  answer = (socket) => socket.write(plain)
  await get()
  sockets[0]!.write(plain.replace('ok', 'no'))
  await waitFor(() => sockets[0]!.destroyed)
  expect(await get()).toEqual([200, 'ok'])
})

test('an upstream that closes a kept connection as the request arrives: once more, if the method may be repeated', async () => {
  answer = (socket) => socket.write(plain)
  await get()
  answer = (socket) => {
    if (sockets.length === 1) socket.destroy()
    else socket.write(plain)
  }
  expect(await get()).toEqual([200, 'ok'])
  expect(sockets).toHaveLength(2)

  const before = heads.length
  answer = (socket) => void socket.destroy()
  expect((await get('POST'))[0]).toBe(502)
  expect(heads.length).toBe(before + 1)
})

test('an upstream that closes every connection is 502 after the second', async () => {
  answer = (socket) => socket.write(plain)
  await get()
  answer = (socket) => void socket.destroy()
  expect((await get())[0]).toBe(502)
  expect(heads).toHaveLength(3)
})

test('a connection that broke amid an answer is not tried again', async () => {
  answer = (socket) => socket.write(plain)
  await get()
  answer = (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Le')
  expect((await get())[0]).toBe(502)
  expect(heads).toHaveLength(2)
})

test('no request goes by a connection that the upstream said it will have closed', async () => {
  answer = (socket) => socket.write(plain.replace('\r\n\r\n', '\r\nKeep-Alive: timeout=1\r\n\r\n'))
  await get()
  await waitFor(() => sockets[0]!.destroyed)
})

test('a body in trickles may take longer than timeout_ms, which counts for the upstream', async () => {
  const client = await rawConnection(traffic.port)
  answer = (socket, bytes) => bytes.includes('last') && socket.write(plain)
  client.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n')
  await waitFor(() => heads.join('').includes('1\r\na\r\n'))
  const startedAt = performance.now()
  await waitFor(() => performance.now() - startedAt > 700)
  client.write('4\r\nlast\r\n0\r\n\r\n')
  expect(await client.until('\r\n\r\nok')).toMatch(/^HTTP\/1.1 200/)
  client.socket.destroy()
})
