import { waitFor } from '@apigate/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pipelined } from './pipelined.ts'
import { modes, startSystem, type RunningSystem } from './system.ts'

describe.each(modes)('%s: what an admin changes reaches the proxy', (mode) => {
  let system: RunningSystem
  beforeAll(async () => {
    system = await startSystem(mode)
  })
  afterAll(() => system?.stop())

  const callStatus = async (key: string, path = '/echo/x'): Promise<number> => {
    const response = await fetch(system.proxyUrl + path, { headers: { 'x-api-key': key } })
    await response.arrayBuffer()
    return response.status
  }
  const becomes = (status: number, key: string, path?: string): Promise<unknown> =>
    waitFor(async () => (await callStatus(key, path)) === status)
  const create = async (type: string, attributes: object) => {
    const { status, document } = await system.admin('POST', `/api/${type}`, attributes)
    expect(status, JSON.stringify(document)).toBe(201)
    return document.data
  }

  test('a new key works, and is refused after its revocation', async () => {
    const created = await create('api-keys', { name: 'e2e', user_id: 'usr_sample' })
    const { key } = created.meta
    await becomes(200, key)
    expect((await system.admin('POST', `/api/api-keys/${created.id}/revoke`)).status).toBe(200)
    await becomes(401, key)
  })

  test('a deleted key, a suspended user and a disabled route stop', async () => {
    const user = await create('users', { email: `stop-${mode}@example.com`, plan_id: 'plan_sample' })
    const { id, meta } = await create('api-keys', { user_id: user.id })
    await becomes(200, meta.key)
    await system.admin('PATCH', `/api/users/${user.id}`, { status: 'suspended' })
    await becomes(403, meta.key)
    await system.admin('PATCH', `/api/users/${user.id}`, { status: 'active' })
    await becomes(200, meta.key)
    await system.admin('DELETE', `/api/api-keys/${id}`)
    await becomes(401, meta.key)

    const route = await create('routes', { name: 'short-lived', path_pattern: '/short', upstream_id: 'ups_sample' })
    await becomes(200, system.sampleKey, '/short')
    await system.admin('PATCH', `/api/routes/${route.id}`, { enabled: false })
    await becomes(404, system.sampleKey, '/short')
  })

  test("a group's key works, is refused by name while the group is suspended, and goes with the group", async () => {
    const owner = await create('users', { email: `owner-${mode}@example.com`, plan_id: 'plan_sample' })
    const group = await create('groups', { name: `group ${mode}`, owner_id: owner.id, plan_id: 'plan_sample' })
    const { meta } = await create('api-keys', { group_id: group.id })
    await becomes(200, meta.key)
    // The suspension of the owner is not that of the group.
    await system.admin('PATCH', `/api/users/${owner.id}`, { status: 'suspended' })
    await system.admin('PATCH', `/api/groups/${group.id}`, { status: 'suspended' })
    await becomes(403, meta.key)
    const refused = await fetch(`${system.proxyUrl}/echo/x`, { headers: { 'x-api-key': meta.key } })
    expect(await refused.text()).toContain('group_suspended')
    await system.admin('PATCH', `/api/groups/${group.id}`, { status: 'active' })
    await becomes(200, meta.key)
    await waitFor(async () => {
      const { document } = await system.admin(
        'GET',
        `/api/usage-events?filter[group]=${group.id}&filter[status_code]=200`,
      )
      return document.meta.total >= 2
    })
    expect((await system.admin('DELETE', `/api/groups/${group.id}`)).status).toBe(204)
    await becomes(401, meta.key)
  })

  test('transforms and a metering expression take effect, and the units are in the ledger', async () => {
    const route = await create('routes', {
      ...{ name: 'transformed', path_pattern: '/transformed', upstream_id: 'ups_sample' },
      request_transform: { headers: { set: { 'X-Plan': '${plan_id}' } }, body: { set: { 'user.id': '${user_id}' } } },
      response_transform: { body: { mask: ['headers.host'], wrap: 'data' } },
      metering_expr: 'request.body.n * 10 + response.body.body_bytes',
    })
    await becomes(200, system.sampleKey, '/transformed')
    const headers = { 'x-api-key': system.sampleKey, 'content-type': 'application/json', 'x-request-id': `t-${mode}` }
    const answer = await fetch(`${system.proxyUrl}/transformed`, { method: 'POST', headers, body: '{"n":2}' })
    const { data } = (await answer.json()) as any
    expect(data).toMatchObject({ body: '{"n":2,"user":{"id":"usr_sample"}}', headers: { host: '***' } })
    expect(data.headers['x-plan']).toBe('plan_sample')
    const event = await waitFor(async () => {
      const { document } = await system.admin('GET', `/api/usage-events?filter[route]=${route.id}&filter[method]=POST`)
      return document.data[0]?.attributes
    })
    expect(event).toMatchObject({ metered_units: 20 + data.body_bytes, metering_error: null, request_bytes: 7 })
    // The first, which only waited for the route, had no body.
    const { document } = await system.admin('GET', `/api/usage-events?filter[route]=${route.id}&filter[method]=GET`)
    expect(document.data[0].attributes).toMatchObject({ metered_units: 1, metering_error: 'null_in_arithmetic' })
  })

  test('a rotated key and its successor both work for the overlap, and the successor alone without one', async () => {
    const first = await create('api-keys', { user_id: 'usr_sample' })
    await becomes(200, first.meta.key)
    const second = await create(`api-keys/${first.id}/rotate`, { overlap_seconds: 3600 })
    await becomes(200, second.meta.key)
    expect(await callStatus(first.meta.key)).toBe(200)
    const third = await create(`api-keys/${second.id}/rotate`, {})
    await becomes(200, third.meta.key)
    await becomes(401, second.meta.key)
    expect(await callStatus(first.meta.key)).toBe(200)
  })

  test('ten thousand keys that are made in one call are one revision, and the proxy takes each of them', async () => {
    const plan = await create('plans', { name: `Unlimited ${mode}`, rate_limit_per_minute: 0 })
    const user = await create('users', { email: `import-${mode}@example.com`, plan_id: plan.id })
    const operations = Array.from({ length: 10_000 }, (_, index) => ({
      op: 'add',
      data: { type: 'api_keys', attributes: { name: `imported ${index}`, user_id: user.id } },
    }))
    const wait = { prefer: 'wait=60' }
    const { headers } = await system.admin('PATCH', `/api/users/${user.id}`, { name: 'Ada' }, wait)
    const answer = await system.admin('POST', '/api/operations', { 'atomic:operations': operations }, wait)
    expect([answer.status, answer.headers.get('preference-applied')]).toEqual([200, 'wait=60'])
    const revision = Number(headers.get('x-config-revision')) + 1
    const { document } = await system.admin('GET', '/api/workers')
    expect(document.data.map((worker: any) => worker.attributes.revision)).toEqual([revision])

    const keys: string[] = answer.document['atomic:results'].map(({ data }: any) => data.meta.key)
    expect(new Set(keys).size).toBe(10_000)
    // Each of them once, in one mode; the other shows that its transport is whole.
    const asked = mode === 'deployment' ? keys : keys.filter((_, index) => index % 10 === 0)
    const statuses = new Set<number>()
    for (let from = 0; from < asked.length; from += 50) {
      const slice = await Promise.all(asked.slice(from, from + 50).map((key) => callStatus(key)))
      for (const status of slice) statuses.add(status)
    }
    expect([...statuses]).toEqual([200])
  })

  test('the fleet shows the revision that a write was answered with', async () => {
    const { headers } = await system.admin('PATCH', '/api/plans/plan_sample', { description: 'changed' })
    const revision = Number(headers.get('x-config-revision'))
    expect(revision).toBeGreaterThan(0)
    await waitFor(async () => {
      const { document } = await system.admin('GET', '/api/workers')
      return document.data.some((worker: any) => worker.attributes.revision >= revision)
    })
  })

  test('a worker explains what it would do with a request', async () => {
    const request = { url: `${system.proxyUrl}/echo/hello?x=1`, headers: { 'X-API-Key': system.sampleKey } }
    const { status, document } = await system.admin('POST', '/api/explain', request)
    expect(status, JSON.stringify(document)).toBe(200)
    expect(document.data.attributes).toMatchObject({
      refusal: null,
      request: { path: '/echo/hello', query: '?x=1' },
      owner: { type: 'user', id: 'usr_sample' },
      upstream: { id: 'ups_sample', method: 'GET' },
    })
    const unknown = await system.admin('POST', '/api/explain', { url: '/unknown' })
    expect(unknown.document.data.attributes.refusal).toMatchObject({ status: 404, code: 'route_not_found' })
  })

  test('the proxy serves on while the control plane is killed, and the control plane comes back', async () => {
    const [, api, jobs] = system.pids()
    const { meta } = await create('api-keys', { user_id: 'usr_sample' })
    await becomes(200, meta.key)
    const before = (await system.admin('GET', '/api/usage-events')).document.meta.total
    process.kill(api!, 'SIGKILL')
    process.kill(jobs!, 'SIGKILL')
    // As long as the admin API is away, and at least once, the proxy answers.
    let served = 0
    do {
      expect([200, 429]).toContain(await callStatus(meta.key))
      served++
    } while (!(await fetch(`${system.adminUrl}/readyz`).catch(() => null))?.ok)
    expect(system.pids()).not.toContain(api)
    const another = await create('api-keys', { user_id: 'usr_sample' })
    await waitFor(async () => (await callStatus(another.meta.key)) === 200, { timeoutMs: 10_000 })
    // What was served meanwhile is in the ledger.
    await waitFor(async () => (await system.admin('GET', '/api/usage-events')).document.meta.total >= before + served, {
      timeoutMs: 15_000,
    })
  })
})

test('a revocation that was waited for is refused by every worker from the answer on', async () => {
  const system = await startSystem('deployment')
  try {
    const proxies = [system.proxyUrl, await system.addProxy(), await system.addProxy()]
    const wait = { prefer: 'wait=20' }
    const { status, document } = await system.admin('POST', '/api/api-keys', { user_id: 'usr_sample' }, wait)
    expect(status).toBe(201)
    const { id, meta } = document.data
    const ask = async (proxyUrl: string): Promise<number> => {
      const response = await fetch(`${proxyUrl}/echo/x`, { headers: { 'x-api-key': meta.key } })
      await response.arrayBuffer()
      return response.status
    }
    // No worker that is there before the key can refuse it now.
    for (const proxy of proxies) expect(await ask(proxy)).toBe(200)
    const revoked = await system.admin('POST', `/api/api-keys/${id}/revoke`, undefined, wait)
    expect([revoked.status, revoked.headers.get('preference-applied')]).toEqual([200, 'wait=20'])
    const statuses = await Promise.all(proxies.map((url) => pipelined(url, '/echo/x', meta.key, 3_500)))
    expect(statuses).toEqual(proxies.map(() => ({ 401: 3_500 })))
  } finally {
    await system.stop()
  }
})
