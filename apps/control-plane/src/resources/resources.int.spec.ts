import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources, startTestApi, type TestApi } from '../api.fixture.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
  for (const { path, example, secrets } of examples) {
    const data = { ...example, attributes: { ...example.attributes, ...secrets } }
    const { status, document } = await api.call('POST', `/api/${path}`, { data })
    if (status !== 201) throw new Error(JSON.stringify(document))
  }
})
afterAll(() => api?.stop())

interface Example {
  path: string
  example: { type: string; id: string; attributes: object; relationships?: object }
  /** Attributes that are taken and never shown. */
  secrets?: object
}

/** The example documents of the API reference, without the times. */
const examples: Example[] = [
  {
    path: 'plans',
    example: {
      type: 'plans',
      id: 'plan_pro',
      attributes: {
        ...{ name: 'Pro', description: 'For production workloads', price_monthly: 9900, requests_per_month: 100000 },
        ...{ rate_limit_per_minute: 600, trial_days: 14, is_default: false, enabled: true },
      },
    },
  },
  {
    path: 'users',
    example: {
      type: 'users',
      id: 'usr_abc123',
      attributes: { email: 'user@example.com', name: 'John Doe', status: 'active', plan_id: 'plan_pro' },
      relationships: { plan: { data: { type: 'plans', id: 'plan_pro' } } },
    },
  },
  {
    path: 'upstreams',
    example: {
      type: 'upstreams',
      id: 'ups_abc123',
      attributes: {
        ...{ name: 'users-service', description: 'User management backend', base_url: 'https://api.internal/users' },
        ...{ timeout_ms: 30000, max_idle_conns: 100, idle_conn_timeout_ms: 90000, auth_type: 'bearer', enabled: true },
      },
    },
    secrets: { auth_value: 'token' },
  },
  {
    path: 'routes',
    example: {
      type: 'routes',
      id: 'rte_abc123',
      attributes: {
        ...{ name: 'users-api', description: 'User management API routes', host_pattern: 'api.example.com' },
        ...{ host_match_type: 'exact', path_pattern: '/api/v1/users/*', match_type: 'prefix' },
        ...{ methods: ['GET', 'POST', 'PUT', 'DELETE'], path_rewrite: '/users/$1', metering_mode: 'request' },
        ...{ protocol: 'http', priority: 100, enabled: true },
      },
      relationships: { upstream: { data: { type: 'upstreams', id: 'ups_abc123' } } },
    },
  },
]

describe.each(examples)('$path', ({ path, example }) => {
  const url = `/api/${path}/${example.id}`

  test('come back as they were sent', async () => {
    const { document } = await api.call('GET', url)
    expect(document.data).toMatchObject(example)
    for (const name of ['created_at', 'updated_at']) {
      expect(document.data.attributes[name]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    }
  })

  test('can be read, edited and sent back whole, unless they have changed meanwhile', async () => {
    const read = await api.call('GET', url)
    read.document.data.attributes.name = `${read.document.data.attributes.name} (edited)`
    const edited = await api.call('PATCH', url, read.document)
    expect([edited.status, edited.document.data]).toEqual([
      200,
      {
        ...read.document.data,
        attributes: { ...read.document.data.attributes, updated_at: edited.document.data.attributes.updated_at },
      },
    ])
    const again = await api.call('PATCH', url, read.document)
    expect([again.status, sources(again)]).toEqual([422, [{ pointer: '/data/attributes/updated_at' }]])
    const { created_at } = read.document.data.attributes
    expect((await api.call('PATCH', url, { created_at: created_at.replace('Z', '+00:00') })).status).toBe(200)
    for (const other of ['2020-01-01T00:00:00Z', null, 7, 'x', {}]) {
      const refused = await api.call('PATCH', url, { created_at: other })
      expect([refused.status, sources(refused)]).toEqual([422, [{ pointer: '/created_at' }]])
    }
  })

  test('are filtered by every attribute and relationship, sorted by every attribute, and by nothing else', async () => {
    const { data } = (await api.call('GET', url)).document
    for (const [name, value] of Object.entries<unknown>({ id: example.id, ...data.attributes })) {
      const filtered = await api.call('GET', `/api/${path}?filter[${name}]=${encodeURIComponent(String(value))}`)
      const unlike = await api.call('GET', `/api/${path}?filter[${name}][ne]=${encodeURIComponent(String(value))}`)
      const sorted = await api.call('GET', `/api/${path}?sort=-${name}`)
      const list = typeof value === 'object' && (value !== null || /transform|health/.test(name))
      expect([name, filtered.status, unlike.status, sorted.status]).toEqual([name, ...Array(3).fill(list ? 400 : 200)])
      if (list) continue
      expect(filtered.document.data).toContainEqual(data)
      expect(unlike.document.data).not.toContainEqual(data)
    }
    for (const [name, { data: related }] of Object.entries<{ data: { id: string } }>(data.relationships ?? {})) {
      const found = async (filter: string) => (await api.call('GET', `/api/${path}?filter[${name}]${filter}`)).document
      expect((await found(`=${related.id}`)).data).toContainEqual(data)
      expect((await found(`[ne]=${related.id}`)).data).not.toContainEqual(data)
      expect((await found('[ne]=x')).data).toContainEqual(data)
      expect((await found('=null')).data).toEqual([])
    }
  })
})

test('an action that takes nothing refuses what it would not heed, and is not done', async () => {
  const user = await api.create('users', { email: 'actions@example.com' })
  const key = await api.create('api-keys', { user_id: user.id })
  const webhook = await api.create('webhooks', { name: 'w', url: 'https://93.184.216.34/', events: ['*'] })
  const tested = await api.call('POST', `/api/webhooks/${webhook.id}/test`)
  const revision = (await api.call('GET', '/api/config-revisions?page[size]=1')).document.data[0].id
  const rows = async () => (await api.call('GET', '/api/audit-events?page[size]=1')).document.meta.total
  for (const action of [
    `/api/config-revisions/${revision}/rollback`,
    `/api/api-keys/${key.id}/revoke`,
    `/api/webhooks/${webhook.id}/test`,
    `/api/webhook-deliveries/${tested.document.data.id}/redeliver`,
  ]) {
    const before = await rows()
    const { status, document } = await api.call('POST', action, { dry_run: true })
    expect([action, status, document.errors?.[0].source]).toEqual([action, 422, { pointer: '/dry_run' }])
    expect(await rows()).toBe(before)
    expect((await api.call('POST', action, {})).status, action).toBeLessThan(300)
    expect((await api.call('POST', action.replace(/[^/]+(?=\/\w+$)/, '%00'))).status, action).toBe(404)
  }
})
