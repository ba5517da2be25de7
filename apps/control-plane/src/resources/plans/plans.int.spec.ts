import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources, startTestApi, type TestApi } from '../../api.fixture.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
})
afterAll(() => api?.stop())

const defaults = async (): Promise<string[]> => {
  const { document } = await api.call('GET', '/api/plans?filter[is_default]=true')
  return document.data.map((plan: { id: string }) => plan.id)
}

describe('a plan', () => {
  test('is created with every attribute, read back, updated by merging, and deleted', async () => {
    const attributes = {
      ...{ name: 'Pro', description: 'For production', price_monthly: 9900, overage_price: 2 },
      ...{ requests_per_month: 9_000_000_000_000, rate_limit_per_minute: 600, burst: 50 },
      ...{ quota_mode: 'warn', quota_grace_percent: 5, trial_days: 14, stripe_price_id: 'price_1' },
      ...{ paddle_price_id: 'pri_1', lemon_variant_id: '7', is_default: false, enabled: true },
    }
    const body = { data: { type: 'plans', id: 'plan_pro', attributes } }
    const created = await api.call('POST', '/api/plans', body)
    expect(created.status).toBe(201)
    expect(created.headers).toMatchObject({
      'content-type': 'application/vnd.api+json',
      location: '/api/plans/plan_pro',
      'x-config-revision': expect.stringMatching(/^\d+$/),
    })
    expect(created.document.data).toMatchObject({ type: 'plans', id: 'plan_pro', attributes })
    expect(created.document.data.links.self).toBe('/api/plans/plan_pro')

    const updated = await api.call('PATCH', '/api/plans/plan_pro', {
      data: { type: 'plans', id: 'plan_pro', attributes: { description: 'changed', burst: null } },
    })
    expect(updated.status).toBe(200)
    expect(updated.document.data.attributes).toMatchObject({ ...attributes, description: 'changed', burst: null })
    expect(Number(updated.headers['x-config-revision'])).toBe(Number(created.headers['x-config-revision']) + 1)
    const read = await api.call('GET', '/api/plans/plan_pro')
    expect(read.document.data).toEqual(updated.document.data)

    const deleted = await api.call('DELETE', '/api/plans/plan_pro')
    expect(deleted).toMatchObject({ status: 204, document: null })
    expect(deleted.headers['x-config-revision']).toBeDefined()
    expect((await api.call('GET', '/api/plans/plan_pro')).status).toBe(404)
    expect((await api.call('DELETE', '/api/plans/plan_pro')).status).toBe(404)
  })

  test('has the defaults of the specification', async () => {
    const { id, attributes } = await api.create('plans', { name: 'Plain' })
    expect(id).toMatch(/^plan_[0-9a-z]{26}$/)
    expect(attributes).toMatchObject({
      rate_limit_per_minute: 60,
      requests_per_month: 0,
      quota_mode: 'hard',
      burst: null,
    })
    expect((await api.create('plans', { name: 'Over', overage_price: 1 })).attributes.quota_mode).toBe('soft')
    expect((await api.create('plans', { name: 'Minus', requests_per_month: -1 })).attributes.requests_per_month).toBe(0)
  })

  test('with a taken name or id is a conflict that points there', async () => {
    await api.create('plans', { id: 'plan_taken', name: 'Taken' })
    const name = await api.call('POST', '/api/plans', { name: 'Taken' })
    expect([name.status, sources(name)]).toEqual([409, [{ pointer: '/name' }]])
    const id = await api.call('POST', '/api/plans', { id: 'plan_taken', name: 'Other' })
    expect([id.status, sources(id)]).toEqual([409, [{ pointer: '/id' }]])
  })

  test('in use cannot be deleted', async () => {
    const plan = await api.create('plans', { name: 'Used' })
    await api.create('users', { email: 'used@example.com', plan_id: plan.id })
    expect((await api.call('DELETE', `/api/plans/${plan.id}`)).status).toBe(409)
  })

  test('all that does not validate is named in one answer', async () => {
    const answer = await api.call('POST', '/api/plans', {
      ...{
        price_monthly: -1,
        rate_limit_per_minute: 1.5,
        burst: 0,
        quota_mode: 'none',
        trial_days: '3',
        is_default: 1,
      },
      ...{ requests_per_month: 1e300, description: null, created_at: '2026-01-01T00:00:00Z', colour: 'red' },
    })
    expect(answer.status).toBe(422)
    const pointers = sources(answer).map((source) => (source as { pointer: string }).pointer)
    expect(pointers.toSorted()).toEqual(
      [
        ...['', '/burst', '/colour', '/created_at', '/description', '/is_default', '/price_monthly', '/quota_mode'],
        ...['/rate_limit_per_minute', '/requests_per_month', '/trial_days'],
      ].toSorted(),
    )
  })
})

describe('the default plan', () => {
  test('there is one from the start, and another one takes its place in one step', async () => {
    const [first] = await defaults()
    const plan = await api.create('plans', { name: 'Next default', is_default: true })
    expect(await defaults()).toEqual([plan.id])
    await api.call('PATCH', `/api/plans/${first}`, { is_default: true })
    expect(await defaults()).toEqual([first])
  })

  test('cannot be cleared, disabled or deleted', async () => {
    const [id] = await defaults()
    for (const attributes of [{ is_default: false }, { enabled: false }]) {
      const answer = await api.call('PATCH', `/api/plans/${id}`, attributes)
      expect([answer.status, sources(answer)]).toEqual([409, [{ pointer: `/${Object.keys(attributes)[0]}` }]])
    }
    expect((await api.call('DELETE', `/api/plans/${id}`)).status).toBe(409)
    expect((await api.call('POST', '/api/plans', { name: 'x', is_default: true, enabled: false })).status).toBe(422)
    expect(await defaults()).toEqual([id])
  })

  test('stays one under concurrent writes, none of which fails', async () => {
    const plans = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        api.create('plans', { name: `Racer ${index}`, is_default: index % 2 === 0 }),
      ),
    )
    const answers = await Promise.all(
      plans.flatMap(({ id }) => [
        api.call('PATCH', `/api/plans/${id}`, { is_default: true }),
        api.call('PATCH', `/api/plans/${id}`, { description: 'meanwhile' }),
      ]),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(await defaults()).toHaveLength(1)
  })
})

test('each write is one audit row and one change of the revision it was answered with', async () => {
  const { headers, document } = await api.call(
    'POST',
    '/api/plans',
    { name: 'Audited' },
    { 'x-request-id': 'req-audit' },
  )
  const revision = BigInt(String(headers['x-config-revision']))
  expect(headers['x-request-id']).toBe('req-audit')
  const audit = await api.database.prisma.auditEvent.findMany({ where: { configRevision: revision } })
  expect(audit).toMatchObject([
    {
      ...{ actorType: 'api_key', action: 'plans.create', targetType: 'plans', targetId: document.data.id },
      ...{ before: null, after: { name: 'Audited' }, requestId: 'req-audit', address: '127.0.0.1' },
    },
  ])
  const change = await api.database.prisma.configChange.findUniqueOrThrow({ where: { revision } })
  expect(change).toMatchObject({
    requestId: 'req-audit',
    items: [{ kind: 'plan', op: 'put', value: { name: 'Audited' } }],
  })
})

test('a refused write leaves no audit row and no revision', async () => {
  const head = () => api.database.prisma.configHead.findUniqueOrThrow({ where: { id: 1 } })
  const before = [await head(), await api.database.prisma.auditEvent.count()]
  await api.create('plans', { name: 'Refused' })
  const after = [await head(), await api.database.prisma.auditEvent.count()]
  expect(after).not.toEqual(before)
  expect((await api.call('POST', '/api/plans', { name: 'Refused' })).status).toBe(409)
  expect([await head(), await api.database.prisma.auditEvent.count()]).toEqual(after)
})
