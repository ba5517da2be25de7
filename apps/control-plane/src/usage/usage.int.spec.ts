import { aUsageBatch, aUsageEvent } from '@apigate/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources, startTestApi, type TestApi } from '../api.fixture.ts'
import { BacklogRepository } from '../metrics/index.ts'
import { UsageLedger } from '../usage-ingest/index.ts'

let api: TestApi
let meterKey: string
beforeAll(async () => {
  api = await startTestApi()
  await api.create('plans', {
    ...{ id: 'plan_m', name: 'M', requests_per_month: 10, overage_price: 3, quota_mode: 'soft' },
  })
  await api.create('users', { id: 'usr_1', email: 'a@example.com', plan_id: 'plan_m' })
  await api.create('users', { id: 'usr_2', email: 'b@example.com', plan_id: 'plan_m' })
  await api.create('groups', { id: 'grp_1', name: 'G', slug: 'g', owner_id: 'usr_1', plan_id: 'plan_m' })
  await api.create('api-keys', { id: 'key_2', user_id: 'usr_2' })
  const key = await api.create('api-keys', { name: 'meter', scopes: ['meter:write'] })
  meterKey = key.meta.key
  const ledger = new UsageLedger(api.database)
  const at = (seq: number, over: object) => aUsageEvent(seq, { created_at: '2026-11-20T10:00:00.000Z', ...over })
  await ledger.write(
    aUsageBatch([
      at(1, { metered_units: 7, route_id: 'rte_1' }),
      at(2, { metered_units: 5, route_id: 'rte_2', status_code: 503, created_at: '2026-11-21T00:00:00.000Z' }),
      at(3, { metered_units: 90, created_at: '2026-12-01T00:00:00.000Z' }),
      at(4, { user_id: null, group_id: 'grp_1', metered_units: -1 }),
    ]),
  )
  await ledger.write(aUsageBatch([at(6, { user_id: null, group_id: 'grp_1', metered_units: 4 })]))
})
afterAll(() => api?.stop())

describe('usage of an owner', () => {
  test('is the sums of a month with its quota, the overage and its price, by route, status class and day', async () => {
    const { status, document } = await api.call('GET', '/api/users/usr_1/usage?period=2026-11')
    expect(status).toBe(200)
    expect(document.data).toMatchObject({ type: 'usage_summaries', id: 'usr_1_2026-11' })
    expect(document.data.attributes).toMatchObject({
      ...{ from: '2026-11-01', to: '2026-11-30', requests: 2, metered_units: 12, request_bytes: 10 },
      ...{ quota: 10, quota_mode: 'soft', remaining: 0, overage_units: 2, overage_cents: 6 },
      by_route: [
        { route_id: 'rte_1', requests: 1, metered_units: 7 },
        { route_id: 'rte_2', requests: 1, metered_units: 5 },
      ],
      by_status_class: [
        { status_class: '2xx', requests: 1 },
        { status_class: '5xx', requests: 1 },
      ],
      by_day: [
        { day: '2026-11-20', metered_units: 7 },
        { day: '2026-11-21', metered_units: 5 },
      ],
    })
  })

  test('of days has no quota, of a group is its own, and of nobody is 404', async () => {
    const days = await api.call('GET', '/api/users/usr_1/usage?from=2026-11-21&to=2026-12-01')
    expect(days.document.data.attributes).toMatchObject({ metered_units: 95, quota: null, overage_units: null })
    const group = await api.call('GET', '/api/groups/grp_1/usage?period=2026-11')
    expect(group.document.data.attributes).toMatchObject({ metered_units: 4, quota: 10, remaining: 6 })
    const none = await api.call('GET', '/api/users/usr_2/usage')
    expect(none.document.data.attributes).toMatchObject({ requests: 0, metered_units: 0, by_route: [] })
    expect((await api.call('GET', '/api/users/usr_none/usage')).status).toBe(404)
    expect((await api.call('GET', '/api/groups/usr_1/usage')).status).toBe(404)
    expect((await api.call('GET', '/admin/users/usr_1/usage?period=2026-11')).status).toBe(200)
  })

  test.each([
    ['period=2026-13', ['period']],
    ['period=2026-11&from=2026-11-01&to=2026-11-02', ['period']],
    ['from=2026-11-01', ['to']],
    ['from=2026-11-31&to=x', ['from', 'to']],
    ['from=2026-11-02&to=2026-11-01', ['to']],
    ['period=2026-11&period=2026-12', ['period']],
    ['include=plan', ['include']],
  ])('%s is refused', async (query, parameters) => {
    const answer = await api.call('GET', `/api/users/usr_1/usage?${query}`)
    expect(answer.status).toBe(400)
    expect(sources(answer)).toEqual(parameters.map((parameter) => ({ parameter })))
  })
})

test('what is missing in the ledger, and what was set aside, is listed', async () => {
  const { document } = await api.call('GET', '/api/usage-gaps?sort=first')
  expect(
    document.data.map(({ attributes }: { attributes: Record<string, unknown> }) => [
      attributes.first,
      attributes.last,
      attributes.reason,
    ]),
  ).toEqual([
    [4, 4, 'refused'],
    [5, 5, 'missing'],
  ])
  expect((await api.call('GET', '/api/usage-gaps?filter[reason]=missing')).document.meta.total).toBe(1)
  expect(await new BacklogRepository(api.database).read()).toMatchObject({ missingEvents: 1, refusedEvents: 1 })
})

describe('the meter endpoint', () => {
  const meter = (body: unknown, key = meterKey) => api.call('POST', '/api/v1/meter', body, { 'x-api-key': key })
  const period = new Date().toISOString().slice(0, 7)
  const unitsOf = async (owner: string): Promise<number> =>
    (await api.call('GET', `/api/users/${owner}/usage?period=${period}`)).document.data.attributes.metered_units

  test('counts an event once, however often it comes and in whatever form', async () => {
    const before = await unitsOf('usr_2')
    const event = { id: 'a', units: 5, user_id: 'usr_2' }
    const first = await meter({ events: [event, event, { id: 'b', units: 2, api_key_id: 'key_2' }] })
    expect([first.status, first.document.meta]).toEqual([200, { accepted: 2, repeated: 1, refused: 0, errors: [] }])
    const resource = { type: 'usage_events', id: 'a', attributes: { units: 9, user_id: 'usr_2' } }
    const again = await meter({ data: [resource] })
    expect(again.document.meta).toMatchObject({ accepted: 0, repeated: 1 })
    expect(await unitsOf('usr_2')).toBe(before + 7)
    const other = await meter({ events: [{ ...event, user_id: 'usr_1' }] })
    expect(other.document.meta.accepted).toBe(1)
  })

  test('takes what is right and tells what is wrong of each other event', async () => {
    const before = await unitsOf('usr_2')
    const { status, document } = await meter({
      events: [
        { id: 'c', units: 1, user_id: 'usr_2' },
        { id: 'd', units: -1, user_id: 'usr_2' },
        { id: 'e', units: 1 },
        { id: 'f', units: 1, user_id: 'usr_none' },
        { id: 'g', units: 1, user_id: 'usr_1', api_key_id: 'key_2' },
        { id: '', units: 1.5, user_id: 'usr_2', 'x/y': 1 },
        7,
        { id: 'h', units: 1, user_id: 'usr_2', created_at: '1999-01-01T00:00:00Z' },
      ],
    })
    expect(status).toBe(200)
    expect(document.meta).toMatchObject({ accepted: 1, repeated: 0, refused: 7 })
    expect(document.meta.errors.map((error: { source: { pointer: string } }) => error.source.pointer)).toEqual([
      ...['/events/1/units', '/events/2', '/events/5/x~1y', '/events/5/id', '/events/5/units', '/events/6'],
      ...['/events/7/created_at', '/events/3', '/events/4'],
    ])
    expect(await unitsOf('usr_2')).toBe(before + 1)
  })

  test('refuses what has nothing right in it, too many events, and who may not', async () => {
    expect((await meter({ events: [{ id: 'x', units: -1, user_id: 'usr_2' }] })).status).toBe(422)
    expect((await meter({ events: Array.from({ length: 1_001 }, () => ({})) })).status).toBe(422)
    expect((await meter({ nothing: true })).status).toBe(400)
    expect((await meter([])).status).toBe(400)
    expect((await meter({ events: [] })).document.meta.accepted).toBe(0)
    const reader = await api.create('api-keys', { scopes: ['admin:read'] })
    expect((await meter({ events: [] }, reader.meta.key)).status).toBe(403)
    expect((await api.call('GET', '/api/users', undefined, { 'x-api-key': meterKey })).status).toBe(403)
  })

  test('takes a thousand events at once', async () => {
    const before = await unitsOf('usr_2')
    const events = Array.from({ length: 1_000 }, (_, n) => ({ id: `many-${n}`, units: 1, user_id: 'usr_2' }))
    expect((await meter({ events })).document.meta.accepted).toBe(1_000)
    expect(await unitsOf('usr_2')).toBe(before + 1_000)
  })
})

test('a meter is not held up by a Redis that is away: the ledger has its events', async () => {
  const alone = await startTestApi({ REDIS_URL: 'redis://127.0.0.1:1' })
  try {
    await alone.create('users', { id: 'usr_1', email: 'a@example.com' })
    const answer = await alone.call('POST', '/api/v1/meter', { events: [{ id: 'a', units: 3, user_id: 'usr_1' }] })
    expect(answer.document.meta).toMatchObject({ accepted: 1 })
  } finally {
    await alone.stop()
  }
})
