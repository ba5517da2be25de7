import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../../api.fixture.ts'
import { buildSnapshot } from '../../config-publisher/snapshot.builder.ts'
import { gunzipSync } from 'node:zlib'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
})
afterAll(() => api?.stop())

const write = async (method: 'POST' | 'PATCH' | 'DELETE', url: string, body?: object): Promise<string> => {
  const { status, headers, document } = await api.call(method, url, body)
  expect(status, JSON.stringify(document)).toBeLessThan(300)
  return String(headers['x-config-revision'])
}
const rollback = (revision: string) => api.call('POST', `/api/config-revisions/${revision}/rollback`)
const get = async (path: string) => (await api.call('GET', `/api/${path}`)).document.data
/** The configuration as workers get it, by id. */
const snapshot = async (): Promise<Map<string, unknown>> => {
  const { body } = await buildSnapshot(api.database.prisma)
  const [, ...items] = gunzipSync(body).toString().trim().split('\n')
  return new Map(items.map((line) => JSON.parse(line)).map(({ value }) => [value.id, value]))
}

describe('a revision', () => {
  test('says who made it, when, and what differs', async () => {
    const made = await write('POST', '/api/plans', { id: 'plan_read', name: 'read', burst: 5 })
    const changed = await write('PATCH', '/api/plans/plan_read', { burst: 7 })
    expect(Number(changed)).toBe(Number(made) + 1)
    const { type, id, attributes } = await get(`config-revisions/${changed}`)
    expect({ type, id }).toEqual({ type: 'config_revisions', id: changed })
    expect(attributes).toMatchObject({
      revision: Number(changed),
      actor_type: 'api_key',
      touched: { plan: 1 },
      changes: [{ action: 'plans.update', type: 'plans', id: 'plan_read', before: { burst: 5 }, after: { burst: 7 } }],
    })
    expect((await get(`config-revisions/${made}`)).attributes.changes).toMatchObject([
      { action: 'plans.create', id: 'plan_read', before: null, after: { name: 'read', burst: 5 } },
    ])
    const { document } = await api.call('GET', '/api/config-revisions?sort=-revision&page[size]=2')
    expect(document.data.map((row: { id: string }) => row.id)).toEqual([changed, made])
    const recent = await api.call('GET', `/api/config-revisions?filter[revision][gte]=${changed}`)
    expect(recent.document.meta.total).toBe(1)
    for (const none of ['0', '999999', 'x', '-1', '1e3', '%00']) {
      expect((await api.call('GET', `/api/config-revisions/${none}`)).status).toBe(404)
      expect((await rollback(none)).status).toBe(404)
    }
  })
})

describe('a rollback', () => {
  test('makes plans, upstreams and routes what they were, by one new revision, and nothing else', async () => {
    const secret = { auth_type: 'bearer', auth_value: 'the first secret' }
    await write('POST', '/api/upstreams', { id: 'ups_a', name: 'a', base_url: 'http://a.test', ...secret })
    await write('POST', '/api/upstreams', { id: 'ups_gone', name: 'gone', base_url: 'http://gone.test' })
    const path_pattern = '/r/*'
    await write('POST', '/api/routes', { id: 'rte_a', name: 'a', path_pattern, upstream_id: 'ups_a', methods: ['GET'] })
    await write('POST', '/api/routes', { id: 'rte_gone', name: 'g', path_pattern, upstream_id: 'ups_gone' })
    await write('POST', '/api/plans', { id: 'plan_one', name: 'one', is_default: true })
    await write('POST', '/api/users', { id: 'usr_a', email: 'a@example.com' })
    await write('POST', '/api/api-keys', { id: 'key_dead', user_id: 'usr_a' })
    const then = await write('POST', '/api/plans', { id: 'plan_two', name: 'two' })
    const before = await snapshot()

    await write('DELETE', '/api/routes/rte_gone')
    await write('DELETE', '/api/upstreams/ups_gone')
    await write('PATCH', '/api/upstreams/ups_a', { auth_value: 'another secret', timeout_ms: 5 })
    await write('POST', '/api/upstreams', { id: 'ups_new', name: 'new', base_url: 'http://new.test' })
    await write('PATCH', '/api/routes/rte_a', { upstream_id: 'ups_new', methods: [], priority: 9 })
    await write('POST', '/api/routes', { id: 'rte_new', name: 'new', path_pattern: '/n', upstream_id: 'ups_new' })
    // The two plans trade their names and the place of the default.
    await write('PATCH', '/api/plans/plan_one', { name: 'between' })
    await write('PATCH', '/api/plans/plan_two', { name: 'one', is_default: true })
    await write('PATCH', '/api/plans/plan_one', { name: 'two', burst: 3 })
    await write('POST', '/api/api-keys/key_dead/revoke')
    const last = await write('PATCH', '/api/users/usr_a', { status: 'suspended' })

    const answer = await rollback(then)
    expect(answer.status).toBe(200)
    const { id, attributes, meta } = answer.document.data
    expect([id, answer.headers['x-config-revision'], meta]).toEqual([`${Number(last) + 1}`, id, { kept: [] }])
    expect(attributes.touched).toEqual({ plan: 2, upstream: 3, route: 3 })
    expect(attributes.changes.map(({ action }: { action: string }) => action).toSorted()).toEqual([
      ...['plans.rollback', 'plans.rollback', 'routes.rollback', 'routes.rollback', 'routes.rollback'],
      ...['upstreams.rollback', 'upstreams.rollback', 'upstreams.rollback'],
    ])
    const after = await snapshot()
    expect(after.get('key_dead')).toMatchObject({ revokedAtMs: expect.any(Number) })
    expect(after.get('usr_a')).toMatchObject({ status: 'suspended' })
    for (const id of ['key_dead', 'usr_a']) after.set(id, before.get(id))
    expect(after).toEqual(before)
    expect((await get('plans/plan_one')).attributes).toMatchObject({ name: 'one', is_default: true })

    // What was rolled back can be brought forward again, and a second time changes nothing.
    const forward = await rollback(last)
    expect((await get('routes/rte_new')).attributes.name).toBe('new')
    expect((await get('plans/plan_two')).attributes).toMatchObject({ name: 'one', is_default: true })
    const again = await rollback(last)
    expect(again.headers['x-config-revision']).toBe(forward.headers['x-config-revision'])
  })

  test('keeps a newer plan that somebody is on, and says so', async () => {
    const then = await write('POST', '/api/plans', { name: 'before the newer one' })
    await write('POST', '/api/plans', { id: 'plan_newer', name: 'newer', is_default: true })
    await write('POST', '/api/users', { email: 'on-newer@example.com', plan_id: 'plan_newer' })
    const { status, document } = await rollback(then)
    expect([status, document.data.meta]).toEqual([200, { kept: ['plan_newer'] }])
    expect((await get('plans/plan_newer')).attributes).toMatchObject({ name: 'newer', is_default: false })
    const defaults = await api.call('GET', '/api/plans?filter[is_default]=true')
    expect(defaults.document.data).toHaveLength(1)
  })

  test('does not take the name of a plan that stays: it says which one is in the way', async () => {
    const then = await write('POST', '/api/plans', { id: 'plan_named', name: 'the name' })
    await write('PATCH', '/api/plans/plan_named', { name: 'another name' })
    await write('POST', '/api/plans', { id: 'plan_heir', name: 'the name' })
    const newest = await write('POST', '/api/users', { email: 'on-heir@example.com', plan_id: 'plan_heir' })
    const { status, document } = await rollback(then)
    const { source, detail } = document.errors[0]
    expect([status, source]).toEqual([409, undefined])
    expect(detail).toBe('plan_heir is in use and stays, but its name was that of plan_named: rename it first')
    expect((await get('config-revisions?sort=-revision'))[0].id).toBe(newest)
    await write('PATCH', '/api/plans/plan_heir', { name: 'a name of its own' })
    expect((await rollback(then)).status).toBe(200)
    expect((await get('plans/plan_named')).attributes.name).toBe('the name')
  })

  test('answers with links that can be read', async () => {
    const then = await write('POST', '/api/plans', { name: 'before the linked one' })
    await write('POST', '/api/plans', { name: 'the linked one' })
    const { document, headers } = await rollback(then)
    expect(document.links.self).toBe(document.data.links.self)
    const read = await api.call('GET', document.links.self)
    expect([read.status, read.document.data.id]).toEqual([200, headers['x-config-revision']])
  })

  test('that cannot run is refused whole', async () => {
    await write('POST', '/api/upstreams', { id: 'ups_r', name: 'r', base_url: 'http://r.test' })
    const then = await write('POST', '/api/routes', {
      id: 'rte_r',
      name: 'r',
      path_pattern: '/x',
      upstream_id: 'ups_r',
    })
    // A version that the code of today would not take.
    await api.database.pool.query(
      `UPDATE config_versions SET "row" = jsonb_set("row", '{path_pattern}', '"no slash"') WHERE target_id = 'rte_r'`,
    )
    await write('PATCH', '/api/upstreams/ups_r', { timeout_ms: 7 })
    const newest = await write('PATCH', '/api/routes/rte_r', { priority: 3 })
    const { status, document } = await rollback(then)
    expect([status, document.errors[0].code]).toEqual([409, 'conflict'])
    expect((await get('upstreams/ups_r')).attributes.timeout_ms).toBe(7)
    expect((await get('config-revisions?sort=-revision'))[0].id).toBe(newest)
  })

  test('beside other writes leaves what every worker can hold', async () => {
    const then = await write('POST', '/api/upstreams', { id: 'ups_c', name: 'c', base_url: 'http://c.test' })
    const writes = Array.from({ length: 20 }, (_, index) =>
      api.call('POST', '/api/routes', { name: `c${index}`, path_pattern: `/c/${index}`, upstream_id: 'ups_c' }),
    )
    const answers = await Promise.all([...writes.slice(0, 10), rollback(then), ...writes.slice(10), rollback(then)])
    expect(answers.map(({ status }) => status).filter((status) => status >= 400)).toEqual([])
    const { rows } = await api.database.pool.query(
      'SELECT count(*)::int AS made, max(revision)::int AS head FROM config_changes',
    )
    expect(rows[0].made).toBe(rows[0].head)
  })
})
