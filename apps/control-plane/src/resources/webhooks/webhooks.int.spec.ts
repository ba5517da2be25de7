import { createSealer } from '@apigate/platform'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources, startTestApi, type TestApi } from '../../api.fixture.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
})
afterAll(() => api?.stop())

// An address needs no look-up.
const url = 'https://93.184.216.34/hook'
const aWebhook = (attributes: object = {}) => ({ name: 'Hook', url, events: ['*'], ...attributes })
const opened = async (id: string): Promise<(string | null)[]> => {
  const sealer = createSealer(api.config.encryptionKey)
  const row = await api.database.prisma.webhook.findUniqueOrThrow({ where: { id } })
  return [row.secretSealed, row.previousSecretSealed].map((sealed) => sealed && sealer.open(sealed))
}
const deliveries = (webhookId: string) =>
  api.database.prisma.webhookDelivery.findMany({ where: { webhookId }, orderBy: { id: 'asc' } })

describe('a webhook', () => {
  test('is made, read, changed and deleted', async () => {
    const created = await api.call('POST', '/api/webhooks', {
      data: { type: 'webhooks', id: 'whk_a', attributes: aWebhook({ events: ['key.created', 'test'] }) },
    })
    expect([created.status, created.headers['location']]).toEqual([201, '/api/webhooks/whk_a'])
    expect(created.document.data.attributes).toMatchObject({
      ...{ name: 'Hook', url, events: ['key.created', 'test'], description: '', enabled: true },
      ...{ failing_since: null, disabled_at: null, previous_secret_until: null },
    })
    const updated = await api.call('PATCH', '/api/webhooks/whk_a', { events: ['*'], description: 'all' })
    expect([updated.status, updated.document.data.attributes]).toMatchObject([200, { events: ['*'], name: 'Hook' }])
    const read = await api.call('GET', '/api/webhooks/whk_a')
    expect(read.document.data.attributes).toEqual(updated.document.data.attributes)
    expect((await api.call('GET', '/api/webhooks?filter[enabled]=true')).document.meta.total).toBe(1)
    expect((await api.call('DELETE', '/api/webhooks/whk_a')).status).toBe(204)
    expect((await api.call('GET', '/api/webhooks/whk_a')).status).toBe(404)
    const trail = await api.call('GET', '/api/audit-events?filter[target]=whk_a&sort=created_at,id')
    expect(trail.document.data.map((event: { attributes: { action: string } }) => event.attributes.action)).toEqual([
      ...['webhooks.create', 'webhooks.update', 'webhooks.delete'],
    ])
    expect(trail.document.data[0].attributes.after).toMatchObject({ secret: '[masked]', previous_secret: null })
  })

  test('shows its secret once, and keeps it sealed', async () => {
    const created = await api.call('POST', '/api/webhooks', aWebhook({ id: 'whk_s' }))
    const { secret, note } = created.document.data.meta
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(note).toContain('not be shown again')
    expect(await opened('whk_s')).toEqual([secret, null])

    const rotated = await api.call('POST', '/api/webhooks/whk_s/rotate-secret')
    expect([rotated.status, rotated.document.data.meta.secret]).toEqual([200, expect.stringMatching(/^whsec_/)])
    expect(await opened('whk_s')).toEqual([rotated.document.data.meta.secret, secret])
    const inADay = Date.now() + 86_400_000
    expect(Math.abs(Date.parse(rotated.document.data.attributes.previous_secret_until) - inADay)).toBeLessThan(60_000)

    const last = await api.call('POST', '/api/webhooks/whk_s/rotate-secret', { overlap_seconds: 0 })
    expect(await opened('whk_s')).toEqual([last.document.data.meta.secret, null])

    const stored = await api.database.pool.query(
      `SELECT (SELECT jsonb_agg(to_jsonb(a)) FROM audit_events a)::text || (SELECT jsonb_agg(to_jsonb(w)) FROM webhooks w)::text
         || (SELECT coalesce(jsonb_agg(to_jsonb(e)), '[]') FROM webhook_events e)::text AS all`,
    )
    const read = JSON.stringify((await api.call('GET', '/api/webhooks/whk_s')).document)
    for (const { document } of [created, rotated, last]) {
      for (const place of [stored.rows[0].all, read, api.log.join('')]) {
        expect(place).not.toContain(document.data.meta.secret.slice(6))
      }
    }
    for (const body of [{ overlap_seconds: -1 }, { overlap_seconds: '1' }, { secret: 'whsec_mine' }]) {
      expect((await api.call('POST', '/api/webhooks/whk_s/rotate-secret', body)).status).toBe(422)
    }
    const other = { data: { type: 'webhooks', id: 'whk_other', attributes: {} } }
    expect((await api.call('POST', '/api/webhooks/whk_s/rotate-secret', other)).status).toBe(409)
    expect((await api.call('POST', '/api/webhooks/whk_none/rotate-secret')).status).toBe(404)
  })

  test.each([
    [{ name: '' }, '/name'],
    [{ url: undefined }, ''],
    [{ url: 7 }, '/url'],
    [{ url: 'example.com' }, '/url'],
    [{ url: 'ftp://example.com/' }, '/url'],
    [{ url: 'http://93.184.216.34/' }, '/url'],
    [{ url: 'https://user:pass@93.184.216.34/' }, '/url'],
    [{ url: 'https://93.184.216.34/#x' }, '/url'],
    [{ url: 'https://127.0.0.1/' }, '/url'],
    [{ url: 'https://0x7f.1/' }, '/url'],
    [{ url: 'https://localhost/' }, '/url'],
    [{ url: 'https://[::ffff:10.0.0.1]/' }, '/url'],
    [{ url: 'https://169.254.169.254/latest/meta-data' }, '/url'],
    [{ url: `https://example.com/${'x'.repeat(2000)}` }, '/url'],
    [{ events: [] }, '/events'],
    [{ events: ['key.eaten'] }, '/events'],
    [{ events: ['test', 'test'] }, '/events'],
    [{ events: 'key.created' }, '/events'],
    [{ enabled: 'yes' }, '/enabled'],
    [{ secret: 'whsec_mine' }, '/secret'],
    [{ failing_since: null }, '/failing_since'],
  ])('with %j is refused', async (attributes, pointer) => {
    const answer = await api.call('POST', '/api/webhooks', aWebhook(attributes))
    expect([answer.status, sources(answer)]).toEqual([422, [{ pointer }]])
  })

  test('cannot be moved to where it must not reach', async () => {
    const { id } = await api.create('webhooks', aWebhook())
    const answer = await api.call('PATCH', `/api/webhooks/${id}`, { url: 'https://10.0.0.1/' })
    expect([answer.status, sources(answer)]).toEqual([422, [{ pointer: '/url' }]])
    expect(answer.document.errors[0].detail).toContain('10.0.0.1 is not a public address')
  })
})

describe('deliveries', () => {
  let id: string
  beforeAll(async () => {
    id = (await api.create('webhooks', aWebhook({ events: ['user.created'] }))).id
  })

  test('of a test go to the one webhook, also when it is disabled', async () => {
    const { id: off } = await api.create('webhooks', aWebhook({ enabled: false }))
    const sent = await api.call('POST', `/api/webhooks/${off}/test`)
    const { data } = sent.document
    expect([sent.status, sent.headers['location'], data.type]).toEqual([201, data.links.self, 'webhook_deliveries'])
    expect(data.attributes).toMatchObject({ event_type: 'test', status: 'pending', attempts: 0 })
    expect(data.relationships.webhook.data).toEqual({ type: 'webhooks', id: off })
    const event = await api.database.prisma.webhookDelivery.findMany({ where: { eventType: 'test' } })
    expect(event.map(({ webhookId }) => webhookId)).toEqual([off])
    const { document } = await api.call('GET', data.links.self)
    expect(document.data.meta.payload).toEqual({
      ...{ id: data.attributes.event_id, type: 'test', created_at: data.attributes.created_at },
      data: { type: 'webhooks', id: off },
    })
  })

  test('are listed by webhook, beside it, and alone, by page and by cursor', async () => {
    for (const n of [1, 2, 3]) await api.create('users', { id: `usr_${n}`, email: `${n}@example.com` })
    const own = await api.call('GET', `/api/webhooks/${id}/deliveries?sort=id&filter[status]=pending`)
    expect(own.document.meta.total).toBe(3)
    expect(own.document.data[0].attributes.event_type).toBe('user.created')
    const all = await api.call('GET', `/api/webhook-deliveries?filter[webhook]=${id}&include=webhook`)
    expect([all.document.meta.total, all.document.included[0].id]).toEqual([3, id])
    const cursor = await api.call('GET', `/api/webhooks/${id}/deliveries?page[after]=&page[size]=2`)
    expect(cursor.document.data).toHaveLength(2)
    const rest = await api.call('GET', cursor.document.links.next)
    expect([rest.document.data.length, rest.document.links.next]).toEqual([1, null])
    const beside = await api.call('GET', `/api/webhooks/${id}?include=deliveries`)
    expect(beside.document.included).toHaveLength(3)
    const webhook = await api.call('GET', own.document.data[0].relationships.webhook.links.related)
    expect(webhook.document.data.id).toBe(id)
  })

  test('that failed are sent again, one or all since a time', async () => {
    const { prisma } = api.database
    const [one, two, three] = (await deliveries(id)).map((delivery) => delivery.id)
    const failed = { status: 'failed', attempts: 4, nextAttemptAt: null, lastError: 'HTTP 500' } as const
    await prisma.webhookDelivery.updateMany({ where: { webhookId: id }, data: failed })
    await prisma.webhookDelivery.update({ where: { id: one ?? '' }, data: { createdAt: new Date('2020-01-01') } })
    await prisma.webhookDelivery.update({ where: { id: three ?? '' }, data: { status: 'delivered' } })

    const again = await api.call('POST', `/api/webhook-deliveries/${three}/redeliver`)
    expect(again.document.data.attributes).toMatchObject({ status: 'pending', attempts: 0 })
    expect(again.document.data.attributes.next_attempt_at).not.toBeNull()

    const since = await api.call('POST', `/api/webhooks/${id}/redeliver`, { since: '2020-02-01T00:00:00Z' })
    expect([since.status, since.document.data.meta]).toEqual([200, { deliveries: 1 }])
    expect((await deliveries(id)).map(({ status }) => status)).toEqual(['failed', 'pending', 'pending'])
    expect(two).toBeDefined()
    for (const body of [undefined, {}, { since: 'yesterday' }]) {
      const answer = await api.call('POST', `/api/webhooks/${id}/redeliver`, body)
      expect(answer.status).toBe(422)
    }
  })

  test('that wait end when the webhook is disabled, and none is made while it is', async () => {
    await api.call('PATCH', `/api/webhooks/${id}`, { enabled: false })
    expect((await deliveries(id)).map(({ status }) => status)).toEqual(['failed', 'failed', 'failed'])
    await api.create('users', { email: 'unseen@example.com' })
    const rows = await deliveries(id)
    expect(rows).toHaveLength(3)
    const ofAll = { since: '2020-01-01' }
    for (const [path, body] of [[`webhooks/${id}`, ofAll] as const, [`webhook-deliveries/${rows[0]?.id}`] as const]) {
      const answer = await api.call('POST', `/api/${path}/redeliver`, body)
      expect([path, answer.status, answer.document.errors[0].code]).toEqual([path, 409, 'conflict'])
    }
    await api.database.prisma.webhook.update({
      where: { id },
      data: { failingSince: new Date(), disabledAt: new Date() },
    })
    const enabled = await api.call('PATCH', `/api/webhooks/${id}`, { enabled: true })
    expect(enabled.document.data.attributes).toMatchObject({ failing_since: null, disabled_at: null })
    expect((await api.call('POST', `/api/webhooks/${id}/redeliver`, { since: '2019-01-01' })).status).toBe(200)
    expect((await deliveries(id)).map(({ status }) => status)).toEqual(['pending', 'pending', 'pending'])
  })

  test('go with their webhook, and cannot be written', async () => {
    const [delivery] = await deliveries(id)
    expect((await api.call('PATCH', `/api/webhook-deliveries/${delivery?.id}`, {})).status).toBe(405)
    expect((await api.call('DELETE', `/api/webhook-deliveries/${delivery?.id}`)).status).toBe(405)
    expect((await api.call('DELETE', `/api/webhooks/${id}`)).status).toBe(204)
    expect((await api.call('GET', `/api/webhook-deliveries/${delivery?.id}`)).status).toBe(404)
  })
})

test('http and loopback are taken where the setting allows them', async () => {
  const open = await startTestApi({ APIGATE_WEBHOOK_ALLOW: '127.0.0.0/8, ::1' })
  try {
    for (const target of ['http://127.0.0.1:3000/hook', 'http://localhost:3000/']) {
      expect((await open.call('POST', '/api/webhooks', aWebhook({ url: target }))).status).toBe(201)
    }
    expect((await open.call('POST', '/api/webhooks', aWebhook({ url: 'http://10.0.0.1/' }))).status).toBe(422)
  } finally {
    await open.stop()
  }
})
