import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../../api.fixture.ts'

let api: TestApi
let adminKeyId: string
beforeAll(async () => {
  api = await startTestApi()
  adminKeyId = (await api.database.prisma.apiKey.findFirstOrThrow()).id
  await api.create('upstreams', {
    id: 'ups_a',
    name: 'u',
    base_url: 'http://u.example',
    auth_type: 'bearer',
    auth_value: 'secret',
  })
  for (const id of ['usr_a', 'usr_b', 'usr_c']) await api.create('users', { id, email: `${id}@example.com` })
  await api.call('PATCH', '/api/users/usr_a', { name: 'Ada' }, { 'x-request-id': 'req-1' })
  await api.call('DELETE', '/api/users/usr_b')
})
afterAll(() => api?.stop())

const lines = (document: { data: { attributes: Record<string, string> }[] }): string[] =>
  document.data.map(({ attributes }) => `${attributes['action']} ${attributes['target_id']}`)

test('every write is there, with who did it, from where, and what was before and after', async () => {
  const { document } = await api.call('GET', '/api/audit-events?filter[request_id]=req-1')
  expect(document.data).toMatchObject([
    {
      type: 'audit_events',
      id: expect.stringMatching(/^aud_/),
      attributes: {
        ...{ actor_type: 'api_key', actor_id: adminKeyId, action: 'users.update', target_type: 'users' },
        ...{ target_id: 'usr_a', request_id: 'req-1', address: '127.0.0.1', config_revision: expect.any(Number) },
        ...{ before: { name: '', email: 'usr_a@example.com' }, after: { name: 'Ada' } },
        created_at: expect.stringMatching(/Z$/),
      },
    },
  ])
  const one = await api.call('GET', document.data[0].links.self)
  expect(one.document.data.attributes).toEqual(document.data[0].attributes)
  expect((await api.call('GET', '/api/audit-events/aud_none')).status).toBe(404)
})

test('secrets are masked', async () => {
  const { document } = await api.call('GET', '/api/audit-events?filter[target]=ups_a')
  expect(document.data[0].attributes.after.auth_value).toBe('[masked]')
})

describe('the trail', () => {
  test.each([
    ['filter[actor]=null', 2],
    ['filter[actor_type]=system', 2],
    ['filter[action]=users.create,users.delete', 4],
    ['filter[action][like]=delete', 1],
    ['filter[target]=usr_b', 2],
    ['filter[target_id]=usr_b&filter[action][ne]=users.create', 1],
    ['filter[target_type]=upstreams', 1],
    ['filter[created_at][gte]=2020-01-01&filter[target]=usr_c', 1],
    ['filter[created_at][lt]=2020-01-01', 0],
    ['filter[config_revision]=null', 0],
  ])('is searched by %s, which finds %i', async (query, total) => {
    const { status, document } = await api.call('GET', `/api/audit-events?${query}`)
    expect([status, document.meta?.total]).toEqual([200, total])
  })

  test('is walked by cursor, newest first, without counting', async () => {
    const found: string[] = []
    for (let url: string | null = '/api/audit-events?page[after]=&page[size]=3'; url !== null;) {
      const { document } = await api.call('GET', url)
      expect(document.meta).toEqual({ per_page: 3 })
      found.push(...lines(document))
      url = document.links.next
    }
    const { document } = await api.call('GET', '/api/audit-events?page[size]=100')
    expect(found).toEqual(lines(document))
    expect(found[0]).toBe('users.delete usr_b')
    expect(found).toHaveLength(8)
  })

  test('cannot be written to', async () => {
    const [{ id }] = (await api.call('GET', '/api/audit-events')).document.data
    for (const method of ['POST', 'PATCH', 'DELETE'] as const) {
      expect((await api.call(method, '/api/audit-events')).headers['allow']).toBe('GET, HEAD')
      expect((await api.call(method, `/api/audit-events/${id}`)).status).toBe(405)
    }
  })
})

test('a secret that was replaced is named as changed, and one that was left alone is not', async () => {
  const last = async (id: string) => {
    const { document } = await api.call('GET', `/api/audit-events?filter[target]=${id}`)
    const { action, before, after } = document.data[0].attributes
    return [action, before, after]
  }
  await api.call('PATCH', '/api/upstreams/ups_a', { timeout_ms: 1_234 })
  expect(await last('ups_a')).toMatchObject([
    ...['upstreams.update', { auth_value: '[masked]' }, { auth_value: '[masked]', timeout_ms: 1_234 }],
  ])
  await api.call('PATCH', '/api/upstreams/ups_a', { auth_value: 'another secret' })
  expect(await last('ups_a')).toMatchObject([
    ...['upstreams.update', { auth_value: '[masked]' }, { auth_value: '[masked, changed]' }],
  ])
  const { id } = await api.create('webhooks', { name: 'w', url: 'https://93.184.216.34/', events: ['*'] })
  await api.call('POST', `/api/webhooks/${id}/rotate-secret`)
  expect(await last(id)).toMatchObject([
    'webhooks.rotate_secret',
    { secret: '[masked]', previous_secret: null },
    { secret: '[masked, changed]', previous_secret: '[masked]' },
  ])
})
