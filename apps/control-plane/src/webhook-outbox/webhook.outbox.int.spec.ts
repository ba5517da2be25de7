import { readFileSync } from 'node:fs'
import path from 'node:path'
import { waitFor } from '@apigate/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../api.fixture.ts'
import { appendWebhookEvents, webhookEvent, webhookEventTypes, type WebhookEvent } from './index.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
})
afterAll(() => api?.stop())

async function subscribe(id: string, events: string[], enabled = true): Promise<void> {
  const data = { id, name: id, url: 'https://example.com/', events, enabled, secretSealed: 'sealed' }
  await api.database.prisma.webhook.create({ data })
}
/** What is to be delivered: webhook, type and id of the resource. */
async function outbox(): Promise<string[]> {
  const deliveries = await api.database.prisma.webhookDelivery.findMany({
    include: { event: true },
    orderBy: [{ webhookId: 'asc' }, { createdAt: 'asc' }, { id: 'asc' }],
  })
  return deliveries.map(({ webhookId, event }) => `${webhookId} ${event.type} ${(event.payload as { id: string }).id}`)
}
const dataOf = async (type: string): Promise<unknown> =>
  (await api.database.prisma.webhookEvent.findFirstOrThrow({ where: { type }, orderBy: { id: 'desc' } })).payload

describe('every change that webhooks can be told of', () => {
  beforeAll(() => subscribe('whk_all', ['*']))
  beforeEach(() => api.database.prisma.webhookEvent.deleteMany())
  afterAll(() => api.database.prisma.webhook.deleteMany())

  test('a user: created, updated, put on another plan, suspended', async () => {
    await api.create('plans', { id: 'plan_other', name: 'other' })
    await api.create('users', { id: 'usr_a', email: 'a@example.com' })
    await api.call('PATCH', '/api/users/usr_a', { name: 'Ada' })
    expect(await dataOf('user.updated')).toMatchObject({ attributes: { name: 'Ada' }, previous: { name: '' } })
    await api.call('PATCH', '/api/users/usr_a', { plan_id: 'plan_other' })
    await api.call('PATCH', '/api/users/usr_a', { status: 'suspended' })
    await api.call('PATCH', '/api/users/usr_a', { status: 'suspended' })
    expect(await outbox()).toEqual([
      ...['whk_all plan.changed plan_other', 'whk_all user.created usr_a', 'whk_all user.updated usr_a'],
      ...['whk_all user.updated usr_a', 'whk_all plan.changed usr_a'],
      ...['whk_all user.updated usr_a', 'whk_all user.suspended usr_a', 'whk_all user.updated usr_a'],
    ])
  })

  test('a key: created, revoked once, deleted; and nothing of the key itself is told', async () => {
    const { id, meta } = await api.create('api-keys', { scopes: ['admin:read'] })
    for (const _ of [1, 2]) await api.call('POST', `/api/api-keys/${id}/revoke`)
    await api.call('DELETE', `/api/api-keys/${id}`)
    const other = await api.create('api-keys', { scopes: ['admin:read'] })
    await api.call('DELETE', `/api/api-keys/${other.id}`)
    expect(await outbox()).toEqual([
      ...[`whk_all key.created ${id}`, `whk_all key.revoked ${id}`],
      ...[`whk_all key.created ${other.id}`, `whk_all key.revoked ${other.id}`],
    ])
    expect(await dataOf('key.revoked')).toMatchObject({ attributes: null, previous: { user_id: null } })
    const rows = await api.database.pool.query(`SELECT jsonb_agg(to_jsonb(e))::text AS all FROM webhook_events e`)
    expect(rows.rows[0].all).toContain(meta.key.slice(0, 12))
    expect(rows.rows[0].all).not.toContain(meta.key.slice(12))
    expect(rows.rows[0].all).not.toContain('digest')
  })

  test('a user or a group that goes takes its keys along', async () => {
    await api.create('users', { id: 'usr_gone', email: 'gone@example.com' })
    await api.create('users', { id: 'usr_owner', email: 'owner@example.com' })
    await api.create('groups', { id: 'grp_gone', name: 'g', owner_id: 'usr_owner' })
    await api.create('api-keys', { id: 'key_of_user', user_id: 'usr_gone' })
    await api.create('api-keys', { id: 'key_of_group', group_id: 'grp_gone' })
    await api.create('api-keys', { id: 'key_revoked', user_id: 'usr_gone' })
    await api.call('POST', '/api/api-keys/key_revoked/revoke')
    await api.database.prisma.webhookEvent.deleteMany()
    for (const path of ['users/usr_gone', 'groups/grp_gone']) {
      expect((await api.call('DELETE', `/api/${path}`)).status).toBe(204)
    }
    expect(await outbox()).toEqual(['whk_all key.revoked key_of_user', 'whk_all key.revoked key_of_group'])
  })

  test('a route and a plan: created, updated, deleted, without what may hold credentials', async () => {
    await api.create('upstreams', {
      id: 'ups_a',
      name: 'u',
      base_url: 'http://127.0.0.1:9000',
      auth_value: 's3cret',
      auth_type: 'bearer',
    })
    const headers = [{ name: 'x-tenant', value: 's3cret' }]
    await api.create('routes', { id: 'rte_a', name: 'r', path_pattern: '/r', headers, upstream_id: 'ups_a' })
    await api.call('PATCH', '/api/routes/rte_a', { priority: 3 })
    expect(await dataOf('route.changed')).toMatchObject({
      attributes: { priority: 3, upstream_id: 'ups_a', methods: [] },
      previous: { priority: 0 },
    })
    await api.call('DELETE', '/api/routes/rte_a')
    await api.create('plans', { id: 'plan_b', name: 'b' })
    await api.call('PATCH', '/api/plans/plan_b', { is_default: true })
    expect(await outbox()).toEqual([
      ...Array<string>(3).fill('whk_all route.changed rte_a'),
      'whk_all plan.changed plan_b',
      ...[expect.stringMatching(/^whk_all plan.changed plan_\w{26}$/), 'whk_all plan.changed plan_b'],
    ])
    const payloads = await api.database.prisma.webhookEvent.findMany({ select: { payload: true } })
    expect(JSON.stringify(payloads)).not.toContain('s3cret')
  })

  test('a group: put on another plan, and nothing else of it', async () => {
    await api.create('users', { id: 'usr_g', email: 'g@example.com' })
    await api.create('groups', { id: 'grp_g', name: 'g', owner_id: 'usr_g' })
    await api.create('plans', { id: 'plan_g', name: 'for groups' })
    await api.database.prisma.webhookEvent.deleteMany()
    await api.call('PATCH', '/api/groups/grp_g', { name: 'other' })
    for (const _ of [1, 2]) await api.call('PATCH', '/api/groups/grp_g', { plan_id: 'plan_g' })
    expect(await outbox()).toEqual(['whk_all plan.changed grp_g'])
    expect(await dataOf('plan.changed')).toMatchObject({ type: 'groups', attributes: { plan_id: 'plan_g' } })
  })

  test('a key that is rotated: its successor is made, and it is revoked where there is no overlap', async () => {
    const { id } = await api.create('api-keys', { user_id: 'usr_g' })
    const rotate = async (key: string, overlap: number): Promise<string> => {
      const { document } = await api.call('POST', `/api/api-keys/${key}/rotate`, { overlap_seconds: overlap })
      return document.data.id
    }
    await api.database.prisma.webhookEvent.deleteMany()
    const second = await rotate(id, 60)
    const third = await rotate(second, 0)
    expect((await outbox()).toSorted()).toEqual(
      [
        ...[`whk_all key.created ${second}`, `whk_all key.created ${third}`],
        `whk_all key.revoked ${second}`,
      ].toSorted(),
    )
  })

  test('a rollback tells of what it changed, once each', async () => {
    await api.create('upstreams', { id: 'ups_r', name: 'u', base_url: 'http://127.0.0.1:9000' })
    await api.create('routes', { id: 'rte_r', name: 'r', path_pattern: '/rolled', upstream_id: 'ups_r' })
    const { document } = await api.call('GET', '/api/config-revisions?page[size]=1&sort=-created_at')
    await api.call('PATCH', '/api/routes/rte_r', { priority: 9 })
    await api.database.prisma.webhookEvent.deleteMany()
    expect((await api.call('POST', `/api/config-revisions/${document.data[0].id}/rollback`)).status).toBe(200)
    expect(await outbox()).toEqual(['whk_all route.changed rte_r'])
    expect(await dataOf('route.changed')).toMatchObject({ attributes: { priority: 0 }, previous: { priority: 9 } })
  })

  test('a webhook that is tried, and told alone', async () => {
    await subscribe('whk_tried', ['key.created'], false)
    expect((await api.call('POST', '/api/webhooks/whk_tried/test')).status).toBe(201)
    expect(await outbox()).toEqual(['whk_tried test whk_tried'])
  })

  test('a write that is refused tells nothing', async () => {
    expect((await api.call('POST', '/api/users', { email: 'a@example.com' })).status).toBe(409)
    expect((await api.call('PATCH', '/api/users/usr_a', { plan_id: 'plan_none' })).status).toBe(404)
    expect(await outbox()).toEqual([])
  })
})

test('the docs say of every type when it is raised', () => {
  const docs = readFileSync(path.resolve(import.meta.dirname, '../../../../docs/webhooks.md'), 'utf8')
  const [, table = ''] = /^\| type .*?\n(.*?)\n\n/ms.exec(docs) ?? []
  const named = table.split('\n').flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`([a-z.]+)`/g)])
  expect(named.map(([, type]) => String(type)).toSorted()).toEqual([...webhookEventTypes].toSorted())
})

describe('an event', () => {
  const event = (changes: Partial<WebhookEvent> = {}): WebhookEvent => ({
    ...webhookEvent('key.expired', { id: 'key_x' }),
    ...changes,
  })
  const append = (...events: WebhookEvent[]): Promise<void> =>
    api.database.transaction((tx) => appendWebhookEvents(tx, events))
  beforeEach(async () => {
    await subscribe('whk_1', ['key.expired', 'user.created'])
    await subscribe('whk_2', ['*'])
    await subscribe('whk_other', ['user.created'])
    await subscribe('whk_off', ['*'], false)
  })
  afterEach(async () => {
    await api.database.prisma.webhook.deleteMany()
    await api.database.prisma.webhookEvent.deleteMany()
  })

  test('goes to each enabled webhook that asked for its type, and one for a webhook only to that', async () => {
    await append(event(), event({ webhookId: 'whk_off', data: { id: 'for one' } }))
    expect(await outbox()).toEqual([
      ...['whk_1 key.expired key_x', 'whk_2 key.expired key_x', 'whk_off key.expired for one'],
    ])
  })

  test('that nobody wants leaves no row', async () => {
    await api.database.prisma.webhook.deleteMany({ where: { id: { in: ['whk_1', 'whk_2'] } } })
    await append(event())
    expect(await api.database.prisma.webhookEvent.count()).toBe(0)
  })

  test('whose id is there already changes nothing, also from two transactions at once', async () => {
    const id = 'whe_grp_1_2026-11_80'
    await Promise.all([append(event({ id })), append(event({ id, data: { id: 'key_x' } }))])
    await append(event({ id }))
    expect(await outbox()).toEqual(['whk_1 key.expired key_x', 'whk_2 key.expired key_x'])
  })

  test('with a long id has deliveries that can be read', async () => {
    await append(event({ id: `whe_usr_${'x'.repeat(128)}_2026-11_80` }))
    const rows = await api.database.prisma.webhookDelivery.findMany()
    expect(rows).toHaveLength(2)
    for (const { id } of rows) expect((await api.call('GET', `/api/webhook-deliveries/${id}`)).status).toBe(200)
  })

  test('is written by a client of pg, too, and gone with its transaction', async () => {
    const client = await api.database.pool.connect()
    await client.query('BEGIN')
    await appendWebhookEvents(client, [event()])
    await client.query('ROLLBACK')
    expect(await outbox()).toEqual([])
    await appendWebhookEvents(client, [event()])
    client.release()
    expect(await outbox()).toHaveLength(2)
  })

  test('is known to who disables its webhook meanwhile, or not written', async () => {
    const client = await api.database.pool.connect()
    await client.query('BEGIN')
    await appendWebhookEvents(client, [event()])
    const disabled = api.database.transaction(async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM webhooks WHERE id = 'whk_1' FOR UPDATE`
      await tx.webhook.update({ where: { id: 'whk_1' }, data: { enabled: false } })
      return tx.webhookDelivery.count({ where: { webhookId: 'whk_1' } })
    })
    await waitFor(async () => {
      const { rows } = await api.database.pool.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      )
      return rows.length === 1
    })
    await client.query('COMMIT')
    client.release()
    expect(await disabled).toBe(1)
    await append(event({ data: { id: 'later' } }))
    expect((await outbox()).filter((line) => line.includes('later'))).toEqual(['whk_2 key.expired later'])
  })
})
