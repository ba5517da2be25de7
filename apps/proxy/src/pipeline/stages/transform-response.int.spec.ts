import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { startFakeUpstream, waitFor, type FakeUpstream } from '@apigate/testing'
import type { RouteConfig } from '@apigate/core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestTraffic, type TestTraffic } from '../../../test/traffic.fixture.ts'
import { aRouteTo, rawConnection } from '../../../test/worker.fixture.ts'

const json = { 'content-type': 'application/json' }
const bytesMax = 100_000

let upstream: FakeUpstream
let traffic: TestTraffic
beforeAll(async () => {
  upstream = await startFakeUpstream()
  traffic = await startTestTraffic([], { transformBytesMax: bytesMax })
})
afterAll(async () => {
  await traffic?.stop()
  await upstream?.close()
})
beforeEach(() => {
  upstream.handle(null)
  upstream.answer({ headers: json, body: '{"ok":true}' })
  upstream.requests.length = 0
  traffic.events.length = 0
})

let path = ''
let count = 0

/** One route of its own for each test. */
function route(over: Partial<RouteConfig>): void {
  path = `/t${(count += 1)}`
  traffic.apply(...aRouteTo(upstream.url, { pathPattern: `${path}/*`, authRequired: false, ...over }).items)
}

const ask = (rest = '/', init: RequestInit = {}): Promise<Response> => fetch(`${traffic.url}${path}${rest}`, init)
const sent = () => upstream.requests.at(-1)!

describe('a response transform', () => {
  test('changes headers and body by status, and says nothing untrue of the new body', async () => {
    route({
      responseTransform: {
        headers: {
          set: { 'X-Route': '${path}' },
          remove: ['Server'],
          rename: { 'X-Old': 'X-New' },
          add: { Vary: 'X-A' },
        },
        body: { mask: ['users[].email'], wrap: 'data' },
        conditions: [{ when: { status: '5xx' }, body: { set: { hint: 'later' } } }],
      },
    })
    const headers = {
      ...{ ...json, server: 'x', 'x-old': '1', vary: 'Origin', etag: '"abc"', 'content-digest': 'sha-256=:x:' },
      ...{ 'accept-ranges': 'bytes', 'set-cookie': ['a=1', 'b=2'] },
    }
    upstream.answer({ headers, body: '{"users":[{"email":"a@b","n":1.50}]}' })
    const answer = await ask()
    expect(await answer.text()).toBe('{"data":{"users":[{"email":"***","n":1.50}]}}')
    const got = Object.fromEntries(answer.headers)
    expect(got).toMatchObject({
      'x-route': `${path}/`,
      'x-new': '1',
      vary: 'Origin, X-A',
      etag: 'W/"abc"',
      'content-length': '45',
    })
    for (const name of ['server', 'content-digest', 'accept-ranges', 'x-old']) expect(got).not.toHaveProperty(name)
    expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    upstream.answer({ status: 503, headers: json, body: '{}' })
    expect(await (await ask()).json()).toEqual({ data: {}, hint: 'later' })
    expect(traffic.events).toMatchObject([{ response_bytes: 45 }, { status_code: 503 }])
  })

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ])('decodes an answer in %s and sends it plain', async (coding, encode) => {
    route({ responseTransform: { body: { remove: ['secret'] } } })
    upstream.answer({ headers: { ...json, 'content-encoding': coding }, body: encode('{"secret":1,"a":2}') })
    const answer = await ask()
    expect(answer.headers.get('content-encoding')).toBeNull()
    expect(await answer.text()).toBe('{"a":2}')
  })

  test('passes what is no JSON, or not changed, as it came', async () => {
    route({ responseTransform: { body: { remove: ['secret'] } } })
    for (const [headers, body] of [
      [{ 'content-type': 'text/html', etag: '"a"' }, '<p>'],
      [{ ...json, etag: '"a"' }, '{"secret":'],
      [{ ...json, etag: '"a"' }, '{"a": 1.0}'],
      [{ ...json, etag: '"a"' }, ''],
    ] as const) {
      upstream.answer({ headers, body })
      const answer = await ask()
      expect(await answer.text()).toBe(body)
      expect(answer.headers.get('etag')).toBe('"a"')
    }
  })

  test('lets nothing through that it cannot read: too large, a bomb, an unknown coding', async () => {
    route({ responseTransform: { body: { mask: ['secret'] } } })
    const large = `{"secret":"${'x'.repeat(bytesMax)}"}`
    const answers = [
      { headers: { ...json, 'content-length': String(large.length) }, body: large },
      { headers: json, body: large },
      { headers: { ...json, 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(50_000_000, 0x20)) },
      { headers: { ...json, 'content-encoding': 'compress' }, body: '{"secret":1}' },
      { headers: { ...json, 'content-encoding': 'gzip' }, body: '{"secret":1}' },
    ]
    for (const answer of answers) {
      upstream.answer(answer)
      const got = await ask()
      expect(got.status).toBe(502)
      expect(await got.text()).toContain('"code":"upstream_error"')
    }
    expect(traffic.events).toMatchObject(answers.map(() => ({ status_code: 502, metered_units: 0 })))
  })

  test('asks for the whole answer, so that no part of one gets past it', async () => {
    route({ responseTransform: { body: { mask: ['secret'] } } })
    await ask('/', { headers: { range: 'bytes=0-5', 'if-range': '"a"', 'x-kept': '1' } })
    expect(sent().headers).toMatchObject({ 'x-kept': '1' })
    expect(sent().headers).not.toHaveProperty('range')
    expect(sent().headers).not.toHaveProperty('if-range')
  })

  test('leaves answers without a body without one', async () => {
    route({ responseTransform: { body: { wrap: 'data' }, headers: { set: { 'X-A': '1' } } } })
    upstream.handle((request, response) => {
      if (request.url?.endsWith('/204')) response.writeHead(204).end()
      else if (request.url?.endsWith('/304')) response.writeHead(304, { etag: '"a"' }).end()
      else response.writeHead(200, { ...json, 'content-length': '5', etag: '"a"', 'content-encoding': 'gzip' }).end()
    })
    const client = await rawConnection(traffic.port)
    client.write(`HEAD ${path}/ HTTP/1.1\r\nHost: a\r\n\r\n`)
    const head = await client.until('\r\n\r\n')
    expect(head).toMatch(/x-a: 1/i)
    expect(head).toContain('etag: W/"a"')
    expect(head).not.toMatch(/content-length|content-encoding/)
    client.write(`GET ${path}/204 HTTP/1.1\r\nHost: a\r\n\r\n`)
    expect(await client.until('204 No Content')).toBeTruthy()
    client.write(`GET ${path}/304 HTTP/1.1\r\nHost: a\r\n\r\n`)
    await client.until('304 Not Modified')
    await waitFor(() => client.text().endsWith('\r\n\r\n'))
    expect(client.text().split('304 Not Modified')[1]).toContain('etag: W/"a"')
  })

  test('an upstream that breaks off, or a client that goes away, before the body is whole', async () => {
    route({ responseTransform: { body: { wrap: 'data' } } })
    upstream.handle((_request, response) => {
      response.writeHead(200, { ...json, 'content-length': '100' })
      response.write('{"a":')
      setTimeout(() => response.destroy(), 20)
    })
    const broken = await ask()
    expect([broken.status, await broken.text()]).toEqual([502, expect.stringContaining('upstream_error')])

    let isUpstreamClosed = false
    upstream.handle((_request, response) => {
      response.on('close', () => (isUpstreamClosed = true))
      response.writeHead(200, json).write('{"a":')
    })
    const client = await rawConnection(traffic.port)
    client.write(`GET ${path}/ HTTP/1.1\r\nHost: a\r\n\r\n`)
    await waitFor(() => traffic.gateway.counters.inFlight === 1)
    client.socket.destroy()
    await waitFor(() => isUpstreamClosed)
    await waitFor(() => traffic.events.length === 2)
    expect(traffic.events).toMatchObject([{ status_code: 502 }, { status_code: 499 }])
  })

  test('takes from the trailers what it takes from the headers', async () => {
    route({ responseTransform: { headers: { remove: ['X-Secret'], rename: { 'X-Old': 'X-New' } } } })
    upstream.handle((_request, response) => {
      response.writeHead(200, { trailer: 'x-secret, x-sum' })
      response.write('a')
      response.addTrailers({ 'X-Secret': '1', 'X-Old': '2', 'X-Sum': '3' })
      response.end()
    })
    const client = await rawConnection(traffic.port)
    client.write(`GET ${path}/ HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n`)
    const text = await client.until('0\r\nx-sum: 3\r\n\r\n')
    client.socket.destroy()
    expect(text).not.toMatch(/x-secret: |x-old/i)
  })

  test('changes the headers of a stream, and holds nothing of it back', async () => {
    route({ protocol: 'sse', responseTransform: { headers: { set: { 'X-A': '1' } } } })
    let finish = (): void => {}
    upstream.handle((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      finish = () => void response.end('data: 2\n\n')
    })
    const client = await rawConnection(traffic.port)
    client.write(`GET ${path}/ HTTP/1.1\r\nHost: a\r\n\r\n`)
    expect(await client.until('data: 1')).toMatch(/x-a: 1/i)
    finish()
    await client.until('data: 2')
  })

  test('is not asked about what the gateway answers itself', async () => {
    route({ authRequired: true, responseTransform: { headers: { set: { 'X-A': '1' } }, body: { wrap: 'data' } } })
    const answer = await ask()
    expect([answer.status, answer.headers.get('x-a')]).toEqual([401, null])
    expect(await answer.json()).toHaveProperty('errors')
  })
})
