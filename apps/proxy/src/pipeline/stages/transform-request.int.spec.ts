import { connect } from 'node:net'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { createSealer } from '@apigate/platform'
import { startFakeUpstream, waitFor, type FakeUpstream } from '@apigate/testing'
import type { RouteConfig } from '@apigate/core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestTraffic, type TestTraffic } from '../../../test/traffic.fixture.ts'
import { aCustomer, aRouteTo, encryptionKey, rawConnection } from '../../../test/worker.fixture.ts'

const customer = aCustomer({ name: 'Pro', rateLimitPerMinute: 0 })
const json = { 'content-type': 'application/json' }
const bytesMax = 100_000

let upstream: FakeUpstream
let traffic: TestTraffic
beforeAll(async () => {
  upstream = await startFakeUpstream()
  traffic = await startTestTraffic(customer.items, { transformBytesMax: bytesMax })
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
function route(over: Partial<RouteConfig>, toUpstream: object = {}): void {
  path = `/t${(count += 1)}`
  traffic.apply(...aRouteTo(upstream.url, { pathPattern: `${path}/*`, authRequired: false, ...over }, toUpstream).items)
}

const ask = (rest = '/', init: RequestInit = {}): Promise<Response> => fetch(`${traffic.url}${path}${rest}`, init)
const post = (body: string | Buffer<ArrayBuffer>, headers: Record<string, string> = json): Promise<Response> =>
  ask('/', { method: 'POST', body, headers })
const sent = () => upstream.requests.at(-1)!

describe('a request transform', () => {
  test('changes headers, query and body together, with who calls in them', async () => {
    route({
      authRequired: true,
      pathPattern: `/t${count + 1}/{item}`,
      pathMatch: 'exact',
      requestTransform: {
        headers: {
          set: {
            'X-Plan': '${plan_name}',
            'X-Item': '${param.item}',
            'X-Who': '${user_id}/${api_key_prefix}/${client_ip}',
          },
          add: { 'X-Tag': 'b' },
          remove: ['X-Secret'],
          rename: { 'X-Old': 'X-New' },
        },
        query: { set: { v: '2' }, remove: ['debug'], add: { from: '${query.page}' } },
        body: { set: { 'meta.user': '${user_id}' }, remove: ['drop'], rename: { old: 'new' }, mask: ['items[].card'] },
      },
    })
    const answer = await ask('/a%20b?page=%37&debug=1&keep=%7e', {
      method: 'POST',
      headers: { ...json, 'x-api-key': customer.key.clear, 'x-secret': '1', 'x-old': '2', 'x-tag': 'a' },
      body: '{"drop":1,"old":2,"items":[{"card":"4111","n":12345678901234567890}],"price":1.0}',
    })
    expect(answer.status).toBe(200)
    const { headers, url, body } = sent()
    expect(url).toBe(`${path}/a%20b?page=%37&keep=%7e&v=2&from=7`)
    expect(headers).toMatchObject({ 'x-plan': 'Pro', 'x-item': 'a b', 'x-tag': 'a, b', 'x-new': '2' })
    expect(headers['x-who']).toBe(`${customer.userId}/${customer.key.clear.slice(0, 12)}/127.0.0.1`)
    expect(headers).not.toHaveProperty('x-secret')
    expect(headers).not.toHaveProperty('x-old')
    expect(body.toString()).toBe(
      `{"items":[{"card":"***","n":12345678901234567890}],"price":1.0,"new":2,"meta":{"user":"${customer.userId}"}}`,
    )
    expect(headers['content-length']).toBe(String(body.length))
    expect(traffic.events).toMatchObject([{ request_bytes: 81, status_code: 200 }])
  })

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
    ['identity', Buffer.from],
  ])('decodes a body in %s and sends it plain', async (coding, encode) => {
    route({ requestTransform: { body: { set: { a: 2 } } } })
    const body = (encode as (bytes: Buffer) => Buffer<ArrayBuffer>)(Buffer.from('{"a":1}'))
    await post(body, { ...json, 'content-encoding': coding, 'content-digest': 'sha-256=:x:' })
    expect(sent().body.toString()).toBe('{"a":2}')
    expect(sent().headers).not.toHaveProperty('content-encoding')
    expect(sent().headers).not.toHaveProperty('content-digest')
  })

  test('passes what is no JSON, or not changed, as it came', async () => {
    route({ requestTransform: { body: { remove: ['secret'] }, headers: { set: { 'X-A': '1' } } } })
    const zipped = gzipSync('{"a":1.0}')
    for (const [body, headers] of [
      ['{"secret":1}', { 'content-type': 'text/plain' }],
      ['{"secret":', json],
      ['{"a": 1.0}', json],
      [zipped, { ...json, 'content-encoding': 'gzip' }],
      [Buffer.from([0x22, 0xff, 0x22]), json],
    ] as const) {
      await post(body, headers)
      expect(sent().body).toEqual(Buffer.from(body))
      expect(sent().headers).toMatchObject({ ...headers, 'x-a': '1' })
    }
  })

  test('refuses a body that is too large, also in disguise, and one that cannot be read', async () => {
    route({ requestTransform: { body: { set: { a: 2 } } } })
    const bomb = gzipSync(Buffer.alloc(50_000_000, 0x20))
    expect(bomb.length).toBeLessThan(bytesMax)
    const statuses: number[] = []
    for (const [body, coding] of [
      [Buffer.alloc(bytesMax + 1, 0x20), ''],
      [bomb, 'gzip'],
      [zstdCompressSync(Buffer.alloc(50_000_000, 0x20)), 'zstd'],
      [brotliCompressSync(Buffer.alloc(5_000_000, 0x20)), 'br'],
      [Buffer.from('no gzip'), 'gzip'],
      [Buffer.from('{}'), 'compress'],
      [Buffer.from('{}'), 'gzip, gzip'],
    ] as const) {
      statuses.push((await post(body, { ...json, ...(coding && { 'content-encoding': coding }) })).status)
    }
    expect(statuses).toEqual([413, 413, 413, 413, 400, 415, 415])
    expect(upstream.requests).toEqual([])
    expect(traffic.events).toMatchObject(statuses.map((status_code) => ({ status_code, metered_units: 0 })))
  })

  test('refuses chunks as soon as they are too many', async () => {
    route({ requestTransform: { body: { set: { a: 2 } } } })
    const client = await rawConnection(traffic.port)
    client.write(
      `POST ${path}/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
    )
    client.write(`${bytesMax.toString(16)}\r\n${' '.repeat(bytesMax)}\r\n`)
    client.write('1\r\n \r\n')
    expect(await client.closed()).toMatch(/^HTTP\/1.1 413 .*payload_too_large/s)
  })

  test('tells a waiting client to go on, and forgets one that goes away', async () => {
    route({ requestTransform: { body: { set: { a: 2 } } } })
    const head = `POST ${path}/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n`
    const client = await rawConnection(traffic.port)
    client.write(head)
    await client.until('100 Continue')
    client.write('{"a":1}')
    const text = await client.until('{"ok":true}')
    expect(text.match(/100 Continue/g)).toHaveLength(1)
    expect(sent().body.toString()).toBe('{"a":2}')

    const leaver = connect(traffic.port, '127.0.0.1')
    leaver.write(`${head}{"a`)
    await waitFor(() => traffic.gateway.counters.inFlight === 1)
    leaver.resetAndDestroy()
    await waitFor(() => traffic.events.length === 2)
    expect(traffic.events[1]).toMatchObject({ status_code: 499, error_code: 'client_closed_request', metered_units: 0 })
    expect(upstream.requests).toHaveLength(1)
  })

  test('a client can neither take away nor forge what it sets', async () => {
    route({
      authRequired: true,
      requestTransform: { headers: { set: { 'X-Level': 'free', 'X-Echo': '${header.X-In}${query.in}' } } },
    })
    const client = await rawConnection(traffic.port)
    client.write(
      `GET ${path}/?in=%0d%0aX-Level:%20gold HTTP/1.1\r\nHost: a\r\nX-API-Key: ${customer.key.clear}\r\n` +
        'Connection: X-Level, close\r\nX-Level: gold\r\nx-level: platinum\r\nX-In: ü\r\n\r\n',
    )
    await client.closed()
    expect(sent().headers['x-level']).toBe('free')
    expect(Buffer.from(String(sent().headers['x-echo']), 'latin1').toString()).toBe('ü%0D%0AX-Level: gold')
    expect(JSON.stringify(sent().rawHeaders)).not.toContain(customer.key.clear)
  })

  test('a second Content-Type does not get a body past it', async () => {
    route({ requestTransform: { body: { set: { a: 2 } } } })
    const client = await rawConnection(traffic.port)
    const types = 'Content-Type: text/plain\r\nContent-Type: application/json\r\n'
    client.write(`POST ${path}/ HTTP/1.1\r\nHost: a\r\n${types}Content-Length: 7\r\nConnection: close\r\n\r\n{"a":1}`)
    await client.closed()
    expect(sent().body.toString()).toBe('{"a":2}')
  })

  test('never hands the key on, and never gets past the upstream’s credentials', async () => {
    const sealed = {
      authType: 'header',
      authHeader: 'X-Upstream',
      authValueSealed: createSealer(encryptionKey).seal('right'),
    } as const
    route(
      {
        authRequired: true,
        requestTransform: { headers: { set: { 'X-Key': '${header.Authorization}', x_upstream: 'wrong' } } },
      },
      sealed,
    )
    await ask('/', { headers: { authorization: `Bearer ${customer.key.clear}` } })
    expect(sent().headers).toMatchObject({ 'x-key': '', 'x-upstream': 'right' })
    expect(sent().headers).not.toHaveProperty('x_upstream')
  })

  test('has no effect where its condition does not hold', async () => {
    const conditions = [
      { when: { method: 'POST', 'header.X-Beta': true }, body: { set: { beta: true } }, query: { set: { beta: '1' } } },
      { when: { 'query.v': ['1', '2'] }, headers: { set: { 'X-Version': '${query.v}' } } },
    ]
    route({ requestTransform: { conditions } })
    await post('{}')
    expect([sent().body.toString(), sent().url, sent().headers['x-version']]).toEqual(['{}', `${path}/`, undefined])
    await post('{}', { ...json, 'x-beta': '1' })
    expect([sent().body.toString(), sent().url]).toEqual(['{"beta":true}', `${path}/?beta=1`])
    await ask('/?v=2')
    expect(sent().headers['x-version']).toBe('2')
  })
})
