import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources, startTestApi, type TestApi } from '../api.fixture.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
  await api.create('plans', { id: 'plan_a', name: 'a' })
  await api.create('users', { id: 'usr_a', email: 'a@example.com', plan_id: 'plan_a' })
  await api.create('api-keys', { id: 'key_a', user_id: 'usr_a' })
  await api.create('upstreams', { id: 'ups_a', name: 'u', base_url: 'http://127.0.0.1:9000' })
  await api.create('routes', { id: 'rte_a', name: 'r', path_pattern: '/', upstream_id: 'ups_a' })
})
afterAll(() => api?.stop())

const tagOf = async (url: string): Promise<string> => String((await api.call('GET', url)).headers['etag'])
const patch = (url: string, ifMatch: string, body: unknown = { name: 'n' }) =>
  api.call('PATCH', url, body, { 'if-match': ifMatch })
const stale = [409, [{ header: 'If-Match' }]]

describe('every answer to GET', () => {
  const items = ['plans/plan_a', 'users/usr_a', 'api-keys/key_a', 'upstreams/ups_a', 'routes/rte_a']
  const urls = [
    ...items.flatMap((item) => [item.replace(/\/.*/, ''), item]),
    ...['users/usr_a/plan', 'users/usr_a/relationships/plan', 'routes/rte_a/upstream', 'usage-events', 'workers'],
    ...['api-keys?page[size]=1', 'users/usr_a?include=plan', 'users/usr_a?fields[users]=email'],
  ]
  test.each(urls)('%s has an ETag, is not sent to who has it, and is answered to HEAD alike', async (path) => {
    // The caller's own key is in the list, with the time of its last use.
    await api.call('GET', `/api/${path}`)
    const got = await api.call('GET', `/api/${path}`)
    const etag = String(got.headers['etag'])
    expect(got.status).toBe(200)
    expect(etag).toMatch(/^"[\w~-]+"$/)
    const { 'x-request-id': _id, date: _date, ...headers } = got.headers

    const head = await api.call('HEAD', `/api/${path}`)
    expect([head.status, head.document, head.headers]).toMatchObject([200, null, headers])

    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await api.call('GET', `/api/${path}`, undefined, { 'if-none-match': known })
      expect([again.status, again.document]).toEqual([304, null])
      expect(again.headers).toMatchObject({ etag, vary: headers['vary'], 'cache-control': headers['cache-control'] })
      expect(again.headers['content-type']).toBeUndefined()
      expect(again.headers['content-length']).toBeUndefined()
    }
    const other = await api.call('GET', `/api/${path}`, undefined, { 'if-none-match': '"other"' })
    expect([other.status, other.document]).toEqual([200, got.document])
    expect((await api.call('GET', `/api/${path}`, undefined, { 'if-none-match': 'other' })).status).toBe(400)
  })

  test('has another ETag when the answer is another', async () => {
    const shapes = ['', '?include=plan', '?include=', '?fields[users]=email', '?fields[users]=name']
    const tags = await Promise.all(shapes.map((shape) => tagOf(`/api/users/usr_a${shape}`)))
    expect(new Set(tags).size).toBe(shapes.length)
    // All of them name the same version, so that each is good for If-Match.
    expect(new Set(tags.map((tag) => tag.replace(/[~"].*/, ''))).size).toBe(1)
    const included = await tagOf('/api/users/usr_a?include=plan')
    await api.call('PATCH', '/api/plans/plan_a', { description: 'changed' })
    expect(await tagOf('/api/users/usr_a?include=plan')).not.toBe(included)
  })
})

describe('If-Match', () => {
  test.each([
    ['/api/plans/plan_a', '', { description: 'x' }],
    ['/api/users/usr_a', '', { name: 'x' }],
    ['/api/users/usr_a', '?fields[users]=email&include=plan', { name: 'y' }],
    ['/api/upstreams/ups_a', '', { auth_type: 'bearer', auth_value: 'secret' }],
    ['/api/routes/rte_a', '', { priority: 5 }],
    ['/api/users/usr_a/relationships/plan', '', { data: { type: 'plans', id: 'plan_a' } }],
  ])('%s%s: a write goes with the tag that was read, once', async (url, query, body) => {
    const read = await tagOf(url + query)
    const first = await patch(url, read, body)
    expect(first.status).toBe(200)
    const again = await patch(url, read, body)
    expect([again.status, sources(again)]).toEqual(stale)
    expect(again.document.errors[0].code).toBe('conflict')
    // The answer of a write carries the tag for the next one.
    expect(first.headers['etag']).toBe(await tagOf(url))
    expect((await patch(url, String(first.headers['etag']), body)).status).toBe(200)
  })

  test('takes *, and a list of which one is right; a weak tag is never right', async () => {
    const url = '/api/plans/plan_a'
    const tag = await tagOf(url)
    for (const bad of ['"other"', `W/${tag}`, '""', '"~"']) {
      const answer = await patch(url, bad, { name: 'a' })
      expect([answer.status, sources(answer)]).toEqual(stale)
    }
    const malformed = await patch(url, 'other')
    expect([malformed.status, sources(malformed)]).toEqual([400, [{ header: 'If-Match' }]])
    expect((await patch(url, `"other", ${tag}`, { name: 'a' })).status).toBe(200)
    expect((await patch(url, '*', { name: 'a' })).status).toBe(200)
    expect((await patch('/api/plans/plan_none', '*')).status).toBe(404)
    expect((await patch('/api/plans/plan_none', '"x"')).status).toBe(404)
  })

  test('a stale document that is sent back whole is stale, before anything else is said of it', async () => {
    const read = await api.call('GET', '/api/users/usr_a')
    await api.call('PATCH', '/api/users/usr_a', { name: 'meanwhile' })
    const answer = await patch('/api/users/usr_a', String(read.headers['etag']), read.document)
    expect([answer.status, sources(answer)]).toEqual(stale)
  })

  test('holds for revoking and deleting too, and nothing is done when it does not', async () => {
    const created = await api.call('POST', '/api/api-keys', { id: 'key_b', user_id: 'usr_a' })
    const etag = String(created.headers['etag'])
    const revoke = (ifMatch: string) =>
      api.call('POST', '/api/api-keys/key_b/revoke', undefined, { 'if-match': ifMatch })
    expect((await revoke('"other"')).status).toBe(409)
    const revoked = await revoke(etag)
    expect(revoked.status).toBe(200)
    // Revoking again would change nothing, but is asked of a version that is gone.
    expect((await revoke(etag)).status).toBe(409)
    const remove = (ifMatch: string) => api.call('DELETE', '/api/api-keys/key_b', undefined, { 'if-match': ifMatch })
    expect((await remove(etag)).status).toBe(409)
    expect((await remove(String(revoked.headers['etag']))).status).toBe(204)
    const actions = await api.database.prisma.auditEvent.findMany({ where: { targetId: 'key_b' } })
    expect(actions.map(({ action }) => action)).toEqual(['api_keys.create', 'api_keys.revoke', 'api_keys.delete'])
  })

  test('of twenty writers with the same tag one wins, and no update is lost', async () => {
    await api.create('users', { id: 'usr_raced', email: 'raced@example.com', name: '0' })
    for (let round = 1; round <= 3; round++) {
      const tag = await tagOf('/api/users/usr_raced')
      const names = Array.from({ length: 20 }, (_, index) => `${round}-${index}`)
      const answers = await Promise.all(names.map((name) => patch('/api/users/usr_raced', tag, { name })))
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, ...Array(19).fill(409)])
      const winner = answers.find(({ status }) => status === 200)
      const { document } = await api.call('GET', '/api/users/usr_raced')
      expect(document.data).toEqual(winner?.document.data)
    }
  })

  test('where there is nothing to hold it against is refused rather than taken for true', async () => {
    const create = (ifMatch: string, name: string) => api.call('POST', '/api/plans', { name }, { 'if-match': ifMatch })
    const refused = await create('"x"', 'unmatched')
    expect([refused.status, sources(refused)]).toEqual([400, [{ header: 'If-Match' }]])
    expect((await api.call('GET', '/api/plans?filter[name]=unmatched')).document.data).toEqual([])
    expect((await create('*', 'matched')).status).toBe(201)
  })
})
