import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources, startTestApi, type ApiAnswer, type TestApi } from '../../api.fixture.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
  await api.create('users', { id: 'usr_a', email: 'a@example.com' })
  await api.create('plans', { id: 'plan_g', name: 'of a group' })
})
afterAll(() => api?.stop())

const itemsOf = async ({ headers }: ApiAnswer): Promise<unknown> => {
  const revision = BigInt(String(headers['x-config-revision']))
  return (await api.database.prisma.configChange.findUniqueOrThrow({ where: { revision } })).items
}

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
  [{ user_id: 'usr_a', expires_at: { toString: 1 } }, 422, '/expires_at'],
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

test('of a key the name and the end may be changed, and nothing else', async () => {
  const { id, relationships, links } = await api.create('api-keys', { user_id: 'usr_a' })
  const end = '2999-01-01T00:00:00.000Z'
  const changed = await api.call('PATCH', links.self, { name: 'x', expires_at: end })
  expect([changed.status, changed.document.data.attributes]).toMatchObject([200, { name: 'x', expires_at: end }])
  expect(changed.document.data.meta).toBeUndefined()
  expect(await itemsOf(changed)).toMatchObject([{ kind: 'key', value: { id, expiresAtMs: Date.parse(end) } }])
  expect((await api.call('PATCH', links.self, changed.document)).status).toBe(200)
  const open = await api.call('PATCH', links.self, { expires_at: null })
  expect(open.document.data.attributes.expires_at).toBeNull()

  for (const [body, pointer] of [
    [{ scopes: ['admin:read'] }, '/scopes'],
    [{ user_id: 'usr_none' }, '/user_id'],
    [{ group_id: 'grp_a' }, '/group_id'],
    [{ revoked_at: end }, '/revoked_at'],
    [{ prefix: 'ak_123456789' }, '/prefix'],
    [{ key: 'x' }, '/key'],
    [{ expires_at: '2020-01-01T00:00:00Z' }, '/expires_at'],
  ] as const) {
    const refused = await api.call('PATCH', links.self, body)
    expect([refused.status, sources(refused)]).toEqual([422, [{ pointer }]])
  }
  const linkage = { data: { type: 'users', id: 'usr_b' } }
  expect((await api.call('PATCH', relationships.user.links.self, linkage)).status).toBe(405)
})

test('a key that has expired can be renamed as it is, and made to work again', async () => {
  const { id, links } = await api.create('api-keys', { user_id: 'usr_a' })
  await api.database.prisma.apiKey.update({ where: { id }, data: { expiresAt: new Date('2026-01-01') } })
  const read = await api.call('GET', links.self)
  read.document.data.attributes.name = 'old'
  expect((await api.call('PATCH', links.self, read.document)).status).toBe(200)
  expect((await api.call('PATCH', links.self, { expires_at: '2999-01-01T00:00:00Z' })).status).toBe(200)
})

describe('a key of a group', () => {
  beforeAll(() => api.create('groups', { id: 'grp_a', name: 'a', owner_id: 'usr_a', plan_id: 'plan_g' }))

  test('is found by the group, with the group and its plan beside it', async () => {
    const key = await api.create('api-keys', { group_id: 'grp_a' })
    expect(key.relationships).toMatchObject({ user: { data: null }, group: { data: { type: 'groups', id: 'grp_a' } } })
    const found = await api.call('GET', '/api/api-keys?filter[group]=grp_a&include=group.plan,group.owner')
    expect(found.document.data.map(({ id }: { id: string }) => id)).toEqual([key.id])
    expect(found.document.included.map(({ id }: { id: string }) => id)).toEqual(['grp_a', 'plan_g', 'usr_a'])
    const related = await api.call('GET', key.relationships.group.links.related)
    expect(related.document.data.id).toBe('grp_a')
    const linked = await api.call('POST', '/api/api-keys', {
      data: { type: 'api_keys', relationships: { group: { data: { type: 'groups', id: 'grp_a' } } } },
    })
    expect(await itemsOf(linked)).toMatchObject([{ value: { userId: null, groupId: 'grp_a' } }])
  })

  test.each([
    [{ user_id: 'usr_a', group_id: 'grp_a' }, 422, ['/user_id', '/group_id']],
    [{ group_id: 'grp_none' }, 404, ['/group_id']],
    [{ group_id: null }, 422, ['']],
    [{ group_id: 7 }, 422, ['/group_id']],
  ])('%j is refused', async (body, status, pointers) => {
    const answer = await api.call('POST', '/api/api-keys', body)
    expect([answer.status, sources(answer)]).toEqual([status, pointers.map((pointer) => ({ pointer }))])
  })
})

describe('rotating a key', () => {
  const rotate = (id: string, body?: object) => api.call('POST', `/api/api-keys/${id}/rotate`, body)
  const end = '2999-01-01T00:00:00.000Z'
  const make = (more: object = {}): Promise<{ id: string }> =>
    api.create('api-keys', { name: 'n', user_id: 'usr_a', scopes: ['meter:write'], expires_at: end, ...more })
  const read = async (id: string) => (await api.call('GET', `/api/api-keys/${id}`)).document.data.attributes

  test('makes a successor like it, which is shown once, and ends it in the same revision', async () => {
    const { id } = await make()
    const answer = await rotate(id)
    const { data } = answer.document
    expect([answer.status, answer.headers['location']]).toEqual([201, data.links.self])
    expect(data.meta.key).toMatch(/^ak_[0-9a-f]{64}$/)
    expect(data.attributes).toMatchObject({
      ...{ name: 'n', scopes: ['meter:write'], expires_at: end, revoked_at: null, rotated_from_id: id },
      prefix: data.meta.key.slice(0, 12),
    })
    expect(data.relationships.user.data.id).toBe('usr_a')
    expect((await api.call('GET', data.links.self)).document.data.meta).toBeUndefined()
    const { revoked_at: revokedAt } = await read(id)
    expect(await itemsOf(answer)).toMatchObject([
      { kind: 'key', op: 'put', value: { id, revokedAtMs: Date.parse(revokedAt) } },
      { kind: 'key', op: 'put', value: { id: data.id, revokedAtMs: null, scopes: ['meter:write'] } },
    ])
    const trail = await api.database.prisma.auditEvent.findMany({
      where: { targetId: { in: [id, data.id] } },
      orderBy: { id: 'asc' },
    })
    expect(trail.map(({ action, targetId }) => [action, targetId])).toEqual([
      ['api_keys.create', id],
      ['api_keys.rotate', id],
      ['api_keys.create', data.id],
    ])
    const found = await api.call('GET', `/api/api-keys?filter[rotated_from_id]=${id}`)
    expect(found.document.data.map((one: { id: string }) => one.id)).toEqual([data.id])
  })

  test('with an overlap lets the old key go on until then, but not for longer than it would have', async () => {
    const { id } = await make()
    const before = Date.now()
    const answer = await rotate(id, {
      data: { type: 'api_keys', id: 'key_next', attributes: { overlap_seconds: 3600 } },
    })
    expect([answer.status, answer.document.data.id]).toEqual([201, 'key_next'])
    expect(answer.document.data.attributes.expires_at).toBe(end)
    const old = await read(id)
    expect(old.revoked_at).toBeNull()
    expect(Date.parse(old.expires_at) - before).toBeGreaterThanOrEqual(3_600_000)
    expect(Date.parse(old.expires_at) - Date.now()).toBeLessThanOrEqual(3_600_000)

    const soon = new Date(Date.now() + 600_000).toISOString()
    const short = await make({ expires_at: soon })
    const next = await rotate(short.id, { overlap_seconds: 3600 })
    expect([(await read(short.id)).expires_at, next.document.data.attributes.expires_at]).toEqual([soon, soon])
  })

  test('is refused for a key that does not work any more or was rotated', async () => {
    const [revoked, expired, rotated] = [await make(), await make(), await make()]
    await api.call('POST', `/api/api-keys/${revoked.id}/revoke`)
    await api.database.prisma.apiKey.update({ where: { id: expired.id }, data: { expiresAt: new Date() } })
    await rotate(rotated.id, { overlap_seconds: 60 })
    const count = await api.database.prisma.apiKey.count()
    for (const { id } of [revoked, expired, rotated]) expect((await rotate(id)).status).toBe(409)
    expect((await rotate('key_none')).status).toBe(404)
    expect(await api.database.prisma.apiKey.count()).toBe(count)
  })

  test.each([
    [{ overlap_seconds: -1 }, 422, '/overlap_seconds'],
    [{ overlap_seconds: 2_592_001 }, 422, '/overlap_seconds'],
    [{ overlap_seconds: '60' }, 422, '/overlap_seconds'],
    [{ name: 'other' }, 422, '/name'],
    [{ id: 'usr_a' }, 422, '/id'],
    [{ id: 'key_once' }, 409, '/id'],
    [{ data: { type: 'users', attributes: {} } }, 409, '/data/type'],
  ])('with %j is refused', async (body, status, pointer) => {
    const { id } = await make()
    const answer = await rotate(id, body)
    expect([answer.status, sources(answer)]).toEqual([status, [{ pointer }]])
    expect((await read(id)).revoked_at).toBeNull()
  })
})
