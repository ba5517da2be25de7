import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sources, startTestApi, type TestApi } from '../../api.fixture.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
  await api.create('users', { id: 'usr_a', email: 'a@example.com' })
})
afterAll(() => api?.stop())

test('a new key is shown once, and only its digest is kept', async () => {
  const created = await api.call('POST', '/api/api-keys', { id: 'key_once', name: 'Production', user_id: 'usr_a' })
  const { key, note } = created.document.data.meta
  expect(key).toMatch(/^ak_[0-9a-f]{64}$/)
  expect(note).toContain('not be shown again')
  expect(created.document.data.attributes).toMatchObject({ prefix: key.slice(0, 12), revoked_at: null, scopes: [] })

  const read = await api.call('GET', '/api/api-keys/key_once')
  expect(read.document.data.meta).toBeUndefined()
  const row = await api.database.prisma.apiKey.findUniqueOrThrow({ where: { id: 'key_once' } })
  expect(Buffer.from(row.digest)).toEqual(createHash('sha256').update(key).digest())
  const stored = await api.database.pool.query(
    `SELECT (SELECT jsonb_agg(to_jsonb(a)) FROM audit_events a)::text || (SELECT jsonb_agg(to_jsonb(c)) FROM config_changes c)::text AS all`,
  )
  expect(stored.rows[0].all).toContain('key_once')
  expect(stored.rows[0].all).not.toContain(key.slice(12))
})

test('revoking twice is revoking once', async () => {
  const { id } = await api.create('api-keys', { user_id: 'usr_a' })
  const first = await api.call('POST', `/api/api-keys/${id}/revoke`)
  expect(first.status).toBe(200)
  expect(Date.parse(first.document.data.attributes.revoked_at)).toBeLessThanOrEqual(Date.now())
  const second = await api.call('POST', `/api/api-keys/${id}/revoke`)
  expect(second.document.data).toEqual(first.document.data)
  expect(second.headers['x-config-revision']).toBe(first.headers['x-config-revision'])
  const actions = await api.database.prisma.auditEvent.findMany({ where: { targetId: id }, orderBy: { id: 'asc' } })
  expect(actions.map(({ action }) => action)).toEqual(['api_keys.create', 'api_keys.revoke'])
  expect((await api.call('POST', '/api/api-keys/key_none/revoke')).status).toBe(404)
})

test('a deleted key is gone for the workers too', async () => {
  const { id } = await api.create('api-keys', { user_id: 'usr_a' })
  const { status, headers } = await api.call('DELETE', `/api/api-keys/${id}`)
  expect(status).toBe(204)
  const revision = BigInt(String(headers['x-config-revision']))
  const change = await api.database.prisma.configChange.findUniqueOrThrow({ where: { revision } })
  expect(change.items).toEqual([{ kind: 'key', op: 'delete', id }])
})

test.each([
  [{ name: 'nobody' }, 422, ''],
  [{ user_id: 'usr_none' }, 404, '/user_id'],
  [{ user_id: 'usr_a', expires_at: '2020-01-01T00:00:00Z' }, 422, '/expires_at'],
  [{ user_id: 'usr_a', expires_at: '2027-02-30T00:00:00Z' }, 422, '/expires_at'],
  [{ user_id: 'usr_a', expires_at: '9999-12-31T23:59:59-12:00' }, 422, '/expires_at'],
  [{ user_id: 'usr_a', expires_at: 1_900_000_000 }, 422, '/expires_at'],
  [{ user_id: 'usr_a', scopes: ['admin:all'] }, 422, '/scopes'],
  [{ user_id: 'usr_a', prefix: 'ak_123456789' }, 422, '/prefix'],
  [{ user_id: 'usr_a', id: 'usr_b' }, 422, '/id'],
])('%j is refused', async (body, status, pointer) => {
  const answer = await api.call('POST', '/api/api-keys', body)
  expect([answer.status, sources(answer)]).toEqual([status, [{ pointer }]])
})

test('a key is found by its user, with the user and the plan beside it', async () => {
  await api.create('users', { id: 'usr_b', email: 'b@example.com' })
  const key = await api.create('api-keys', { user_id: 'usr_b', expires_at: '2999-01-01T00:00:00+02:00' })
  expect(key.attributes.expires_at).toBe('2998-12-31T22:00:00.000Z')
  for (const name of ['user', 'user_id']) {
    const { document } = await api.call(
      'GET',
      `/api/api-keys?filter[${name}]=usr_b&include=user.plan&fields[plans]=name`,
    )
    expect(document.data.map(({ id }: { id: string }) => id)).toEqual([key.id])
    expect(document.included).toMatchObject([
      { type: 'users', id: 'usr_b' },
      { type: 'plans', attributes: { name: 'Free' } },
    ])
  }
  const without = await api.call('GET', '/api/api-keys?filter[user]=null')
  expect(without.document.data).toMatchObject([{ attributes: { name: 'APIGATE_ADMIN_KEY' } }])
})

test('a key is not changed, only revoked or deleted', async () => {
  const { id, relationships } = await api.create('api-keys', { user_id: 'usr_a' })
  expect((await api.call('PATCH', `/api/api-keys/${id}`, { name: 'x' })).headers).toMatchObject({
    allow: 'DELETE, GET, HEAD',
  })
  const linkage = { data: { type: 'users', id: 'usr_b' } }
  expect((await api.call('PATCH', relationships.user.links.self, linkage)).status).toBe(405)
})
