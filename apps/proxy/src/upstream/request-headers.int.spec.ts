import { createSealer } from '@apigate/platform'
import { startFakeUpstream, type FakeUpstream } from '@apigate/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestTraffic, type TestTraffic } from '../../test/traffic.fixture.ts'
import { aCustomer, aRouteTo, encryptionKey, put, rawConnection } from '../../test/worker.fixture.ts'
import { TrustedProxies } from '../trusted-proxies.ts'

let upstream: FakeUpstream
let open: TestTraffic
let trusting: TestTraffic
const customer = aCustomer({ rateLimitPerMinute: 0 })
const seal = (value: string) => createSealer(encryptionKey).seal(value)

beforeAll(async () => {
  upstream = await startFakeUpstream()
  const items = [
    ...customer.items,
    ...aRouteTo(upstream.url).items,
    ...aRouteTo(upstream.url, { pathPattern: '/public', authRequired: false }).items,
    ...aRouteTo(upstream.url, { pathPattern: '/bearer' }, { authType: 'bearer', authValueSealed: seal('s3cret') })
      .items,
    ...aRouteTo(upstream.url, { pathPattern: '/basic' }, { authType: 'basic', authValueSealed: seal('me:pw') }).items,
    ...aRouteTo(
      upstream.url,
      { pathPattern: '/header' },
      { authType: 'header', authHeader: 'X-Token', authValueSealed: seal('t0ken') },
    ).items,
  ]
  open = await startTestTraffic(items)
  trusting = await startTestTraffic(items, { trustedProxies: new TrustedProxies(['127.0.0.0/8', '10.0.0.0/8']) })
})
afterAll(async () => {
  await open.stop()
  await trusting.stop()
  await upstream.close()
})

/** What the upstream got, as `name: value` lines. */
async function received(headers: string[], path = '/', traffic = open): Promise<string[]> {
  const client = await rawConnection(traffic.port)
  client.write(`GET ${path} HTTP/1.1\r\nHost: api.example\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`)
  await client.until('{"ok":true}')
  client.socket.destroy()
  const { rawHeaders } = upstream.requests.at(-1)!
  return rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${rawHeaders[i + 1]}`] : []))
}

const key = `X-API-Key: ${customer.key.clear}`

test('nobody can pretend to be another caller, in whatever spelling', async () => {
  const lines = await received([
    key,
    ...[
      'X-User-ID: root',
      'x_user_id: root',
      'X.User.ID: root',
      'X-USER_ID: root',
      'X-Group-Id: root',
      'X_Group_ID: root',
    ],
    ...['X-Key-ID: root', 'X-Plan-ID: root', 'X_API_KEY: other', 'Connection: close, X-Plan-Id'],
  ])
  expect(lines.filter((line) => /root|api.key/i.test(line))).toEqual([])
  expect(lines).toContain(`x-user-id: ${customer.userId}`)
  expect(lines).toContain(`x-plan-id: ${customer.plan.id}`)
  expect(await received(['X-User-ID: root'], '/public')).not.toContainEqual(expect.stringMatching(/x-user-id/i))
})

test('the key never goes on; another Authorization does', async () => {
  const basic = 'Authorization: Basic bWU6cHc='
  expect(await received([key, basic])).toContain(basic)
  const lines = await received([`Authorization: Bearer ${customer.key.clear}`])
  expect(lines.join('\n')).not.toContain(customer.key.clear)
  expect((await received([key])).join('\n')).not.toContain(customer.key.clear)
})

test('a route that asks for no key does not pass one on either, and passes on what is none', async () => {
  const headers = [key, `Authorization: Bearer ${customer.key.clear}`]
  expect((await received(headers, '/public')).join('\n')).not.toContain(customer.key.clear)
  expect(await received(['Authorization: Bearer of.another.kind'], '/public')).toContain(
    'Authorization: Bearer of.another.kind',
  )
})

test('the credentials of the upstream take the place of the client’s', async () => {
  const mine = ['Authorization: Basic bWluZQ==', 'x-token: mine', 'X_TOKEN: mine', key]
  expect(await received(mine, '/bearer')).toContain('authorization: Bearer s3cret')
  expect(await received(mine, '/basic')).toContain('authorization: Basic bWU6cHc=')
  const lines = await received(mine, '/header')
  expect(lines).toContain('x-token: t0ken')
  expect(lines.filter((line) => line.endsWith(': mine'))).toEqual([])
})

test('headers of one hop stay on theirs; order, spelling and duplicates of the rest are kept', async () => {
  const lines = await received([
    key,
    ...['Connection: keep-alive, X-Hop', 'X-Hop: 1', 'Keep-Alive: timeout=1', 'Proxy-Connection: x', 'Upgrade: h2c'],
    ...['TE: trailers, deflate', 'Trailer: x', 'Proxy-Authorization: x', 'HTTP2-Settings: x'],
    ...['aCCept: a', 'Accept: b', 'X-Empty:', 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
  ])
  expect(lines.filter((line) => /hop|keep-alive: |proxy-|upgrade|trailer:|settings/i.test(line))).toEqual([])
  expect(lines).toContain('te: trailers')
  expect(lines).toContain('traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01')
  expect(lines.indexOf('Accept: b')).toBe(lines.indexOf('aCCept: a') + 1)
  expect(lines).toContain('X-Empty: ')
})

test('what a client says of where it comes from is believed of trusted proxies only', async () => {
  const said = ['X-Forwarded-For: 203.0.113.9, 10.1.1.1', 'X-Forwarded-Proto: https', 'X-Forwarded-Host: shop.example']
  const also = ['Forwarded: for=203.0.113.9', 'X-Real-IP: 203.0.113.9', 'X-Forwarded-Port: 443', 'Via: 1.0 fred']
  const stranger = await received([key, ...said, ...also])
  expect(stranger).toEqual(expect.arrayContaining(['x-forwarded-for: 127.0.0.1', 'x-forwarded-proto: http']))
  expect(stranger).toEqual(expect.arrayContaining(['x-forwarded-host: api.example', 'via: 1.0 fred, 1.1 apigate']))
  expect(stranger.filter((line) => /203\.0\.113|-port:|shop/i.test(line))).toEqual([])
  expect(open.events.at(-1)!.client_ip).toBe('127.0.0.1')

  const trusted = await received([key, ...said, ...also], '/', trusting)
  expect(trusted).toContain('x-forwarded-for: 203.0.113.9, 10.1.1.1, 127.0.0.1')
  expect(trusted).toEqual(expect.arrayContaining(['x-forwarded-proto: https', 'x-forwarded-host: shop.example']))
  expect(trusted).toEqual(expect.arrayContaining(['Forwarded: for=203.0.113.9', 'X-Forwarded-Port: 443']))
  expect(trusting.events.at(-1)!.client_ip).toBe('203.0.113.9')
})

test('lines of a trusted proxy keep their order, and another spelling of their names is nobody’s', async () => {
  const lines = await received(
    [
      key,
      ...['X-Forwarded-For: 198.51.100.1', 'X-Forwarded-For: 203.0.113.9', 'Via: 1.0 fred', 'Via: 1.1 wilma'],
      ...['X_Forwarded_For: 198.51.100.2', 'X-Forwarded_Port: 1', 'X_Real_IP: 198.51.100.2'],
    ],
    '/',
    trusting,
  )
  expect(lines).toContain('x-forwarded-for: 198.51.100.1, 203.0.113.9, 127.0.0.1')
  expect(lines).toContain('via: 1.0 fred, 1.1 wilma, 1.1 apigate')
  expect(lines.filter((line) => /^[^:]*_/.test(line))).toEqual([])
  expect(trusting.events.at(-1)!.client_ip).toBe('203.0.113.9')
})

test('a request id that could break a header or a log is replaced', async () => {
  expect(await received([key, 'X-Request-ID: my-id'])).toContain('x-request-id: my-id')
  const long = await received([key, `X-Request-ID: ${'x'.repeat(129)}`])
  expect(long.find((line) => line.startsWith('x-request-id'))).toMatch(/^x-request-id: [0-9a-f-]{36}$/)
})

test('an upstream that is disabled or unknown is 503, one that cannot be reached 502', async () => {
  const off = aRouteTo(upstream.url, { pathPattern: '/off', authRequired: false }, { enabled: false })
  const lost = aRouteTo(upstream.url, { pathPattern: '/lost', authRequired: false, upstreamId: 'ups_none' })
  const shut = aRouteTo('http://127.0.0.1:9', { pathPattern: '/shut', authRequired: false })
  open.apply(...off.items, ...lost.items, ...shut.items)
  const code = async (path: string) => {
    const answer = await fetch(open.url + path)
    const { errors } = (await answer.json()) as { errors: { code: string }[] }
    return `${answer.status} ${errors[0]!.code}`
  }
  expect(await code('/off')).toBe('503 upstream_unavailable')
  expect(await code('/lost')).toBe('503 upstream_unavailable')
  expect(await code('/shut')).toBe('502 upstream_error')
})

test('credentials that cannot be opened keep the old tables', () => {
  const sealedElsewhere = createSealer(Buffer.alloc(32).toString('base64')).seal('x')
  const { upstream: broken } = aRouteTo(upstream.url, {}, { authType: 'bearer', authValueSealed: sealedElsewhere })
  const { routes } = open.live.current!
  expect(() => open.apply(put('upstream', broken))).toThrow(/^upstream ups_\w+: sealed with key/)
  expect(open.live.current!.routes).toBe(routes)
})
