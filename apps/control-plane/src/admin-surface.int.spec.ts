import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources, startTestApi, type TestApi } from './api.fixture.ts'
import { mediaType } from './jsonapi/index.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
  await api.create('plans', { id: 'plan_a', name: 'a' })
  await api.create('users', { id: 'usr_a', email: 'a@example.com', plan_id: 'plan_a' })
  await api.create('users', { id: 'usr_b', email: 'b@example.com' })
  await api.create('api-keys', { id: 'key_a', user_id: 'usr_a' })
  await api.create('api-keys', { id: 'key_b', user_id: 'usr_b' })
})
afterAll(() => api?.stop())

const idsAt = async (url: string): Promise<string[]> =>
  (await api.call('GET', url)).document.data.map(({ id }: { id: string }) => id)

describe('/admin', () => {
  test.each([
    ['/admin/users/usr_a', '/api/users/usr_a'],
    ['/admin/plans?filter[id]=plan_a', '/api/plans?filter[id]=plan_a'],
    ['/admin/keys?sort=id', '/api/api-keys?sort=id'],
    ['/admin/keys/key_a?include=user.plan', '/api/api-keys/key_a?include=user.plan'],
    ['/admin/usage', '/api/usage-events'],
    ['/admin/users/usr_a/plan', '/api/users/usr_a/plan'],
    ['/admin/users/usr_a/relationships/plan', '/api/users/usr_a/relationships/plan'],
    ['/admin/routes', '/api/routes'],
    ['/admin/upstreams', '/api/upstreams'],
    ['/admin/workers', '/api/workers'],
  ])('%s answers what %s does', async (admin, other) => {
    const [one, two] = [await api.call('GET', admin), await api.call('GET', other)]
    expect(one.status).toBe(200)
    expect(one.document.data).toEqual(two.document.data)
    expect(one.document.included).toEqual(two.document.included)
  })

  test.each(['PUT', 'PATCH'] as const)('%s merges the attributes that are sent', async (method) => {
    const { status, document } = await api.call(method, '/admin/users/usr_b', { name: method })
    expect([status, document.data.attributes]).toMatchObject([200, { name: method, email: 'b@example.com' }])
  })

  test('PUT and PATCH change a relationship, too', async () => {
    const linkage = { data: { type: 'plans', id: 'plan_a' } }
    expect((await api.call('PUT', '/admin/users/usr_b/relationships/plan', linkage)).status).toBe(200)
    expect((await api.call('GET', '/admin/users/usr_b')).document.data.attributes.plan_id).toBe('plan_a')
  })

  test('a created resource is found where Location says', async () => {
    const body = { data: { type: 'plans', attributes: { name: 'made' } } }
    const { status, headers, document } = await api.call('POST', '/admin/plans', body)
    expect([status, headers['content-type'], headers['location']]).toEqual([201, mediaType, document.data.links.self])
    expect((await api.call('GET', String(headers['location']))).document.data.id).toBe(document.data.id)
  })

  test('filters by bare names, and its links keep them', async () => {
    expect(await idsAt('/admin/keys?user_id=usr_a')).toEqual(['key_a'])
    expect(await idsAt('/admin/users?plan_id=plan_a&status=active&sort=id')).toContain('usr_a')
    expect(await idsAt('/admin/users?status=pending')).toEqual([])
    const { document } = await api.call('GET', '/admin/keys?user_id=usr_a&page[size]=1')
    expect(document.links.first).toBe('/admin/keys?user_id=usr_a&page%5Bsize%5D=1&page%5Bnumber%5D=1')
    const wrong = await api.call('GET', '/admin/keys?status=active')
    expect([wrong.status, sources(wrong)]).toEqual([400, [{ parameter: 'status' }]])
  })

  test('/api takes no bare names', async () => {
    expect((await api.call('GET', '/api/api-keys?user_id=usr_a')).status).toBe(400)
  })

  test('deleting a key there revokes it, deleting it under /api removes it', async () => {
    expect((await api.call('DELETE', '/admin/keys/key_b')).status).toBe(204)
    const revokedAt = async () =>
      (await api.call('GET', '/api/api-keys/key_b')).document.data.attributes.revoked_at as string | null
    const first = await revokedAt()
    expect(first).not.toBeNull()
    expect((await api.call('DELETE', '/admin/keys/key_b')).status).toBe(204)
    expect(await revokedAt()).toBe(first)
    expect((await api.call('DELETE', '/api/api-keys/key_b')).status).toBe(204)
    expect((await api.call('DELETE', '/admin/keys/key_b')).status).toBe(404)
  })

  test('is closed to strangers, and says which methods a path has', async () => {
    expect((await api.call('GET', '/admin/keys', undefined, { 'x-api-key': undefined })).status).toBe(401)
    expect((await api.call('DELETE', '/admin/keys/key_a', undefined, { 'x-api-key': undefined })).status).toBe(401)
    const answer = await api.call('POST', '/admin/users/usr_a', {})
    expect([answer.status, answer.headers['allow']]).toEqual([405, 'DELETE, GET, HEAD, PATCH, PUT'])
    expect((await api.call('HEAD', '/admin/users/usr_a')).status).toBe(200)
    expect((await api.call('GET', '/admin/api-keys')).status).toBe(404)
    expect((await api.call('PUT', '/api/users/usr_a', { name: 'x' })).status).toBe(405)
  })
})
