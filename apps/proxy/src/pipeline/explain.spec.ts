import type { ExplainRequest } from '@apigate/contracts'
import { createSealer } from '@apigate/platform'
import { aKey } from '@apigate/testing'
import { expect, test } from 'vitest'
import { aGateway, anExchange } from '../../test/exchange.fixture.ts'
import { aCustomer, aRouteTo, encryptionKey, put } from '../../test/worker.fixture.ts'
import { explain } from './explain.ts'
import { authenticate } from './stages/authenticate.ts'
import { checkOwner } from './stages/check-owner.ts'
import { matchRoute } from './stages/match-route.ts'

const customer = aCustomer({ rateLimitPerMinute: 60, burst: 2, requestsPerMonth: 3 })
const revoked = aKey({ userId: customer.userId, revokedAtMs: 1 })
const authValueSealed = createSealer(encryptionKey).seal('the secret of the upstream')
const users = aRouteTo(
  'http://up.example:81/base',
  { pathPattern: '/v1/users/{id}/*', pathRewrite: '/u/{id}/$1', methodOverride: 'POST', priority: 5 },
  { authType: 'bearer', authValueSealed },
)
const wide = aRouteTo('http://up.example', { pathPattern: '/v1', methods: ['GET'] })
const post = aRouteTo('http://up.example', { pathPattern: '/v1/users', methods: ['POST'] })
const open = aRouteTo('http://up.example', { pathPattern: '/open', authRequired: false })
const items = [...customer.items, put('key', revoked.config), ...[users, wide, post, open].flatMap((one) => one.items)]
const gateway = aGateway(items)

const ask = (over: Partial<ExplainRequest> = {}, of = gateway) =>
  explain(of, 'w1', {
    ...{ v: 1, method: 'GET', target: '/v1/users/%37/./x?q=%7e', host: 'API.example:8000' },
    ...{ headers: { 'x-api-key': customer.key.clear, cookie: 'session=1', 'x-tag': 'a' }, keyId: null, upgrade: false },
    ...over,
  })

test('says where a request would go, as what, and why the other routes would not get it', async () => {
  const told = await ask()
  expect(told).toMatchObject({
    worker: 'w1',
    configRevision: 1,
    refusal: null,
    request: { host: 'api.example', path: '/v1/users/7/x', query: '?q=%7e' },
    route: { id: users.route.id, params: { id: '7' } },
    key: { id: customer.key.config.id },
    owner: { type: 'user', id: customer.userId, status: 'active' },
    plan: { id: customer.plan.id },
    rateLimit: { limit: 60, remaining: 2 },
    quota: { mode: 'hard', limit: 3, used: 0 },
    upstream: { id: users.upstream.id, method: 'POST', url: 'http://up.example:81/base/u/7/x?q=%7e' },
    metering: { mode: 'request', expression: null },
  })
  expect(told.nearMisses).toMatchObject([
    { id: wide.route.id, misses: [], lostBy: 'priority' },
    { id: post.route.id, misses: [{ part: 'method', name: null }], lostBy: null },
    { id: open.route.id, misses: [{ part: 'path', name: null }] },
  ])
  const headers = new Map(told.upstream?.headers)
  expect(headers.get('x-tag')).toBe('a')
  expect(headers.get('x-user-id')).toBe(customer.userId)
  expect([headers.get('authorization'), headers.get('cookie')]).toEqual(['[masked]', '[masked]'])
  expect(JSON.stringify(told)).not.toContain(customer.key.clear)
  expect(JSON.stringify(told)).not.toContain('the secret')
})

test('shows headers and query as the route changes them', async () => {
  const requestTransform = {
    headers: { set: { 'X-Plan': '${plan_name}' }, remove: ['X-Tag'] },
    query: { set: { id: '${param.id}' } },
    body: { set: { a: 1 } },
  }
  const changed = aRouteTo('http://up.example', { pathPattern: '/v1/users/{id}/*', requestTransform })
  const headers = {
    'x-api-key': customer.key.clear,
    'x-tag': 'a',
    'content-type': 'application/json',
    'content-length': '9',
  }
  const { upstream } = await ask({ headers }, aGateway([...customer.items, ...changed.items]))
  expect(upstream?.url).toBe('http://up.example/v1/users/7/x?q=%7e&id=7')
  const sent = new Map(upstream?.headers)
  expect([sent.get('X-Plan'), sent.get('x-tag')]).toEqual([customer.plan.name, undefined])
})

test('uses up nothing and records nothing, however often it is asked', async () => {
  const fresh = aGateway(items)
  const first = await ask({}, fresh)
  for (let i = 0; i < 20; i++) await ask({}, fresh)
  const last = await ask({}, fresh)
  expect(last).toMatchObject({ refusal: null, rateLimit: { remaining: 2 }, quota: { used: 0 } })
  expect(last.nearMisses).toEqual(first.nearMisses)
  expect(fresh.events).toEqual([])
})

test('shows what transforms make of headers and query, and waits for no body', async () => {
  const requestTransform = {
    headers: { set: { 'X-Who': '${user_id}' }, remove: ['x-tag'] },
    query: { add: { via: 'gateway' } },
    body: { set: { a: 1 } },
  }
  const changed = aRouteTo('http://up.example', { pathPattern: '/t', requestTransform })
  const described = { 'content-type': 'application/json', 'content-length': '5', 'transfer-encoding': 'chunked' }
  const headers = { 'x-api-key': customer.key.clear, 'x-tag': 'a', ...described }
  const told = await ask({ target: '/t?a=1', headers }, aGateway([...customer.items, ...changed.items]))
  expect(told).toMatchObject({ refusal: null, upstream: { url: 'http://up.example/t?a=1&via=gateway' } })
  const sent = new Map(told.upstream?.headers.map(([name, value]) => [name.toLowerCase(), value]))
  expect([sent.get('x-who'), sent.get('x-tag')]).toEqual([customer.userId, undefined])
})

test.each([
  ['no key', { headers: {} }, 401, 'missing_api_key'],
  ['a revoked key', { headers: { 'x-api-key': revoked.clear } }, 401, 'key_revoked'],
  ['the id of a revoked key', { headers: {}, keyId: revoked.config.id }, 401, 'key_revoked'],
  ['the id of no key', { headers: {}, keyId: 'key_none' }, 401, 'invalid_api_key'],
  ['no route', { target: '/v2' }, 404, 'route_not_found'],
  ['a target that cannot be', { target: '/%zz' }, 400, 'bad_request'],
  ['an upgrade', { upgrade: true }, 400, 'bad_request'],
])('names the refusal of %s', async (_name, over, status, code) => {
  expect(await ask(over)).toMatchObject({ refusal: { status, code }, upstream: null })
})

test('takes a key by its id, and needs none on a public route', async () => {
  const byId = await ask({ headers: {}, keyId: customer.key.config.id })
  expect(byId).toMatchObject({ refusal: null, owner: { id: customer.userId } })
  expect(await ask({ headers: {}, target: '/open' })).toMatchObject({ refusal: null, key: null, rateLimit: null })
})

test('tells an empty bucket and a used up month', async () => {
  const fresh = aGateway(items)
  const useUp = (what: 'token' | 'unit') => {
    const exchange = anExchange(fresh, { url: '/v1', headers: { 'x-api-key': customer.key.clear } })
    matchRoute(exchange)
    authenticate(exchange)
    checkOwner(exchange)
    return what === 'token' ? fresh.limits.takeToken(exchange) : fresh.limits.reserve(exchange)
  }
  for (let i = 0; i < 2; i++) await useUp('token')
  expect(await ask({}, fresh)).toMatchObject({
    refusal: { status: 429, code: 'rate_limit_exceeded' },
    rateLimit: { remaining: 0 },
  })
  for (let i = 0; i < 3; i++) await useUp('unit')
  expect(await ask({}, fresh)).toMatchObject({ refusal: { status: 402, code: 'quota_exceeded' }, quota: { used: 3 } })
})

test('a worker without a configuration says so', async () => {
  expect(await ask({}, aGateway(null))).toMatchObject({ configRevision: null, refusal: { code: 'not_ready' } })
})
