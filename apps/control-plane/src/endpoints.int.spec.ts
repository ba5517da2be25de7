import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApi, type TestApi } from './api.fixture.ts'
import { mediaType } from './jsonapi/index.ts'

/** Every endpoint that the two surfaces of the API promise, by method and path, and documents of the promised members. */

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
})
afterAll(() => api?.stop())

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** Bodies that make one of each; `n` keeps unique what must be. */
const bodies: Record<string, (n: number) => object> = {
  users: (n) => ({ email: `user${n}@example.com` }),
  plans: (n) => ({ name: `Plan ${n}` }),
  keys: () => ({ scopes: ['meter:write'] }),
  'api-keys': () => ({ scopes: ['meter:write'] }),
  upstreams: (n) => ({ name: `Upstream ${n}`, base_url: 'http://127.0.0.1:9' }),
  routes: (n) => ({ name: `Route ${n}`, path_pattern: `/${n}`, upstream_id: 'ups_shared' }),
  groups: (n) => ({ name: `Group ${n}`, slug: `group-${n}`, owner_id: 'usr_shared' }),
  webhooks: (n) => ({ name: `Webhook ${n}`, url: 'https://example.com/hook', events: ['*'] }),
}
const updates: Record<string, object> = { users: { name: 'Ada' }, webhooks: { description: 'd' } }

beforeAll(async () => {
  await api.create('upstreams', { id: 'ups_shared', ...bodies['upstreams']?.(0) })
  await api.create('users', { id: 'usr_shared', ...bodies['users']?.(0) })
})

let made = 0
const make = async (collection: string): Promise<string> => {
  const body = bodies[collection.split('/').at(-1) ?? '']?.((made += 1))
  const { status, document } = await api.call('POST', collection, body)
  expect([collection, status]).toEqual([collection, 201])
  return document.data.id
}

const crud = (base: string, names: string[], update: Method | null): [Method, string][] =>
  names.flatMap((name): [Method, string][] => [
    ['GET', `${base}/${name}`],
    ['GET', `${base}/${name}/{id}`],
    ['POST', `${base}/${name}`],
    ...(update ? [[update, `${base}/${name}/{id}`] as [Method, string]] : []),
    ['DELETE', `${base}/${name}/{id}`],
  ])

const promised: [Method, string][] = [
  ...crud('/api', ['users', 'plans', 'routes', 'upstreams', 'groups', 'webhooks'], 'PATCH'),
  ...crud('/api', ['api-keys'], null),
  ['POST', '/api/api-keys/{id}/revoke'],
  ...crud('/admin', ['users', 'plans', 'upstreams', 'routes'], 'PUT'),
  ['GET', '/admin/keys'],
  ['GET', '/admin/keys?user_id=usr_shared'],
  ['POST', '/admin/keys'],
  ['DELETE', '/admin/keys/{id}'],
  ['GET', '/admin/usage'],
  ['GET', '/admin/users/{id}/usage'],
]

test.each(promised)('%s %s', async (method, path) => {
  const [, collection = ''] = /^(\/\w+\/[\w-]+)/.exec(path) ?? []
  const name = collection.split('/').at(-1) ?? ''
  const url = path.includes('{id}') ? path.replace('{id}', await make(collection)) : path
  const creates = method === 'POST' && !path.includes('{id}')
  const body = creates
    ? bodies[name]?.((made += 1))
    : /P(UT|ATCH)/.test(method)
      ? (updates[name] ?? { description: 'd' })
      : undefined
  const answer = await api.call(method, url, body)
  expect(answer.status).toBe(creates ? 201 : method === 'DELETE' ? 204 : 200)
  expect(answer.headers['content-type']).toBe(method === 'DELETE' ? undefined : mediaType)
  expect(answer.document === null || 'data' in answer.document).toBe(true)
})

test('DELETE /admin/keys/{id} revokes, DELETE /api/api-keys/{id} removes', async () => {
  const id = await make('/admin/keys')
  await api.call('DELETE', `/admin/keys/${id}`)
  expect((await api.call('GET', `/api/api-keys/${id}`)).document.data.attributes.revoked_at).not.toBeNull()
  await api.call('DELETE', `/api/api-keys/${id}`)
  expect((await api.call('GET', `/api/api-keys/${id}`)).status).toBe(404)
})

const text = expect.any(String)
const whole = expect.any(Number)
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
const times = { created_at: time, updated_at: time }

describe.each(['/api', '/admin'])('documents under %s', (base) => {
  const suffix = base.slice(1)
  const keys = base === '/api' ? 'api-keys' : 'keys'
  const ids = { plan: `plan_${suffix}`, user: `usr_${suffix}`, upstream: `ups_${suffix}`, route: `rte_${suffix}` }
  const answers: Record<string, unknown> = {}
  beforeAll(async () => {
    const steps: [string, object][] = [
      [
        'plans',
        {
          ...{ id: ids.plan, name: `Pro ${suffix}`, description: 'For production workloads', price_monthly: 9900 },
          ...{
            requests_per_month: 100_000,
            rate_limit_per_minute: 600,
            trial_days: 14,
            is_default: false,
            enabled: true,
          },
        },
      ],
      ['users', { id: ids.user, email: `john@${suffix}.example.com`, name: 'John Doe', plan_id: ids.plan }],
      [keys, { name: 'Production Key', user_id: ids.user }],
      [
        'upstreams',
        {
          ...{ id: ids.upstream, name: 'users-service', base_url: 'https://api.internal/users', timeout_ms: 30_000 },
          ...{ max_idle_conns: 100, idle_conn_timeout_ms: 90_000, auth_type: 'bearer', auth_value: 't', enabled: true },
        },
      ],
      [
        'routes',
        {
          ...{ id: ids.route, name: 'users-api', host_pattern: 'api.example.com', host_match_type: 'exact' },
          ...{ path_pattern: '/api/v1/users/*', match_type: 'prefix', methods: ['GET', 'POST', 'PUT', 'DELETE'] },
          ...{ path_rewrite: '/users/$1', metering_mode: 'request', protocol: 'http', priority: 100, enabled: true },
          upstream_id: ids.upstream,
        },
      ],
    ]
    for (const [collection, body] of steps) {
      const { status, document } = await api.call('POST', `${base}/${collection}`, body)
      if (status !== 201) throw new Error(JSON.stringify(document))
      answers[collection] = document.data
    }
  })

  test('users', () => {
    expect(answers['users']).toMatchObject({
      type: 'users',
      id: ids.user,
      attributes: { email: text, name: 'John Doe', status: 'active', plan_id: ids.plan, ...times },
      relationships: { plan: { data: { type: 'plans', id: ids.plan } } },
    })
  })

  test('plans', () => {
    expect(answers['plans']).toMatchObject({
      type: 'plans',
      id: ids.plan,
      attributes: {
        ...{ name: text, description: 'For production workloads', price_monthly: 9900, overage_price: whole },
        ...{
          requests_per_month: 100_000,
          rate_limit_per_minute: 600,
          trial_days: 14,
          is_default: false,
          enabled: true,
        },
        ...{ stripe_price_id: null, paddle_price_id: null, lemon_variant_id: null, ...times },
      },
    })
  })

  test('api_keys, with the key in meta, once', async () => {
    const { id, ...created } = answers[keys] as { id: string; attributes: { prefix: string }; meta: { key: string } }
    expect({ id, ...created }).toMatchObject({
      type: 'api_keys',
      id: expect.stringMatching(/^key_/),
      attributes: {
        name: 'Production Key',
        prefix: text,
        expires_at: null,
        last_used: null,
        revoked_at: null,
        created_at: time,
      },
      relationships: { user: { data: { type: 'users', id: ids.user } } },
      meta: { key: expect.stringMatching(/^ak_/), note: 'Save this key securely. It will not be shown again.' },
    })
    expect(created.meta.key.startsWith(created.attributes.prefix)).toBe(true)
    const read = await api.call('GET', `${base}/${keys}/${id}`)
    expect(JSON.stringify(read.document)).not.toContain(created.meta.key)
    const listed = await api.call(
      'GET',
      base === '/admin' ? `/admin/keys?user_id=${ids.user}` : `/api/api-keys?filter[user]=${ids.user}`,
    )
    expect(listed.document.data).toMatchObject([{ type: 'api_keys', id }])
  })

  test('upstreams, without the credential', () => {
    expect(answers['upstreams']).toMatchObject({
      type: 'upstreams',
      id: ids.upstream,
      attributes: {
        ...{ name: 'users-service', description: '', base_url: 'https://api.internal/users', timeout_ms: 30_000 },
        ...{
          max_idle_conns: 100,
          idle_conn_timeout_ms: 90_000,
          auth_type: 'bearer',
          auth_header: null,
          enabled: true,
          ...times,
        },
      },
    })
    expect(answers['upstreams']).not.toHaveProperty('attributes.auth_value')
  })

  test('routes', () => {
    expect(answers['routes']).toMatchObject({
      type: 'routes',
      id: ids.route,
      attributes: {
        ...{ name: 'users-api', description: '', host_pattern: 'api.example.com', host_match_type: 'exact' },
        ...{
          path_pattern: '/api/v1/users/*',
          match_type: 'prefix',
          methods: ['GET', 'POST', 'PUT', 'DELETE'],
          headers: [],
        },
        ...{ path_rewrite: '/users/$1', method_override: null, metering_expr: null, metering_mode: 'request' },
        ...{
          protocol: 'http',
          priority: 100,
          enabled: true,
          request_transform: null,
          response_transform: null,
          ...times,
        },
      },
      relationships: { upstream: { data: { type: 'upstreams', id: ids.upstream } } },
    })
  })

  test('usage_events', async () => {
    const event = {
      ...{ id: `evt_w_1790000000000_${base.length}`, createdAt: new Date(), userId: ids.user, routeId: ids.route },
      ...{ apiKeyId: (answers[keys] as { id: string }).id, method: 'GET', path: '/api/v1/users/1', statusCode: 200 },
      ...{ latencyMs: 12, requestBytes: 0n, responseBytes: 512n, meteredUnits: 1n, requestId: 'r', configRevision: 1n },
    }
    await api.database.pool.query('SELECT apigate_ensure_usage_partitions($1, 2)', [event.createdAt])
    await api.database.prisma.usageEvent.create({ data: event })
    const collection = base === '/api' ? 'usage-events' : 'usage'
    const { document } = await api.call('GET', `${base}/${collection}?filter[user]=${ids.user}`)
    expect(document.data).toMatchObject([
      {
        type: 'usage_events',
        id: event.id,
        attributes: {
          ...{ method: 'GET', path: '/api/v1/users/1', status_code: 200, latency_ms: 12, request_bytes: 0 },
          ...{ response_bytes: 512, metered_units: 1, created_at: time },
        },
        relationships: {
          user: { data: { type: 'users', id: ids.user } },
          api_key: { data: { type: 'api_keys', id: event.apiKeyId } },
          route: { data: { type: 'routes', id: ids.route } },
        },
      },
    ])
    expect(document.meta).toEqual({ total: 1, page: 1, per_page: 20, pages: 1 })
  })
})
