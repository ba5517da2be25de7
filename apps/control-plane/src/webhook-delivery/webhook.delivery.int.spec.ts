import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import path from 'node:path'
import { createLogger, createSealer, type TransportConfig } from '@apigate/platform'
import { startFakeUpstream, testServers, waitFor, type FakeUpstream, type RecordedRequest } from '@apigate/testing'
import { Webhook } from 'standardwebhooks'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { startTestApi, type TestApi } from '../api.fixture.ts'
import { BacklogRepository } from '../metrics/index.ts'
import { WebhooksService } from '../resources/webhooks/index.ts'
import { TargetGuard, type Resolve } from '../webhook-target/index.ts'
import { WebhookDeliveriesRepository } from './deliveries.repository.ts'
import { deliveryPolicy, leaseMs, type DeliveryPolicy } from './delivery.policy.ts'
import { WebhookDelivery } from './webhook.delivery.ts'

const minuteMs = 60_000
const dayMs = 86_400_000

let api: TestApi
let receiver: FakeUpstream
let deliveries: WebhookDeliveriesRepository
const engines: WebhookDelivery[] = []
/** How far the clock is ahead. */
let aheadMs: number
const clock = (): number => Date.now() + aheadMs
/** Names of our own DNS. */
const names = new Map<string, string[]>()
let lookUps: string[]
/** All that webhooks were made or rotated with. */
const secrets: string[] = []
const resolve: Resolve = async (hostname) => {
  lookUps.push(hostname)
  return (names.get(hostname) ?? []).map((address) => ({ address, family: 4 }))
}

beforeAll(async () => {
  api = await startTestApi({ APIGATE_WEBHOOK_ALLOW: '127.0.0.1' })
  deliveries = new WebhookDeliveriesRepository(api.database)
})
beforeEach(async () => {
  aheadMs = 0
  lookUps = []
  receiver = await startFakeUpstream()
})
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.onModuleDestroy()))
  await receiver.close()
  expectVerified(receiver.requests)
  secrets.length = 0
  await api.database.prisma.webhook.deleteMany()
  await api.database.prisma.webhookEvent.deleteMany()
})
afterAll(() => api?.stop())

/** By a library that is not ours, which looks at the time, too: it is put to when the request was signed. */
function expectVerified(requests: readonly RecordedRequest[]): void {
  for (const { body, headers } of requests) {
    vi.setSystemTime(Number(headers['webhook-timestamp']) * 1_000)
    const verified = secrets.filter((secret) => {
      try {
        return new Webhook(secret).verify(String(body), headers as Record<string, string>)
      } catch {
        return false
      }
    })
    vi.useRealTimers()
    expect(verified).not.toEqual([])
  }
}

function start(policy: Partial<DeliveryPolicy> = {}, transport: Partial<TransportConfig> = {}): WebhookDelivery {
  const config = { databaseUrl: api.config.databaseUrl, natsUrl: null, redisUrl: testServers.redisUrl }
  const engine = new WebhookDelivery(
    deliveries,
    api.app.get(WebhooksService, { strict: false }),
    new TargetGuard(['127.0.0.1'], resolve),
    createSealer(api.config.encryptionKey),
    { ...config, namespace: `t${randomBytes(6).toString('hex')}`, ...transport },
    createLogger({ name: 'test', level: 'silent' }),
    {
      ...{ ...deliveryPolicy, timeoutMs: 2_000, pollMs: 20, gapMs: 20, disableAfterMs: 5 * dayMs, clock },
      ...policy,
    },
  )
  engine.onApplicationBootstrap()
  engines.push(engine)
  return engine
}

async function subscribe(url: string = receiver.url, attributes: object = {}): Promise<{ id: string; secret: string }> {
  const { id, meta } = await api.create('webhooks', { name: 'w', url, events: ['user.created'], ...attributes })
  secrets.push(meta.secret)
  return { id, secret: meta.secret }
}
let users = 0
const raise = async (): Promise<void> => {
  await api.create('users', { email: `user${(users += 1)}@example.com` })
}
async function delivery(webhookId?: string) {
  const [row] = await api.database.prisma.webhookDelivery.findMany({ where: webhookId ? { webhookId } : {} })
  if (!row) throw new Error('there is no delivery')
  return row
}
/** The state of the only delivery when it has had so many attempts. */
async function after(attempts: number) {
  return waitFor(async () => {
    const row = await delivery()
    return row.attempts === attempts ? row : null
  })
}
const leaseDue = () => deliveries.leaseDue(new Date(clock()), new Date(clock() + leaseMs), deliveryPolicy)
const ids = (requests: RecordedRequest[]): string[] => requests.map(({ headers }) => String(headers['webhook-id']))

test('the code in the docs tells our requests from others', async () => {
  const docs = readFileSync(path.resolve(import.meta.dirname, '../../../../docs/webhooks.md'), 'utf8')
  const [, code = ''] = /```js\n(.*?)```/s.exec(docs) ?? []
  const { isFromApiGate } = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
    isFromApiGate: (headers: object, body: string, secret: string) => boolean
  }
  start()
  const { id, secret } = await subscribe()
  const { document } = await api.call('POST', `/api/webhooks/${id}/rotate-secret`)
  secrets.push(document.data.meta.secret)
  await raise()
  await after(1)
  const [{ headers, body } = { headers: {}, body: '' }] = receiver.requests
  for (const known of [secret, document.data.meta.secret]) {
    expect(isFromApiGate(headers, String(body), known)).toBe(true)
  }
  expect(isFromApiGate(headers, `${String(body)} `, secret)).toBe(false)
  expect(isFromApiGate(headers, String(body), `whsec_${randomBytes(32).toString('base64')}`)).toBe(false)
  const old = { ...headers, 'webhook-timestamp': String(Math.floor(Date.now() / 1_000) - 3_600) }
  expect(isFromApiGate(old, String(body), secret)).toBe(false)
})

describe.each([
  ['Redis', {}],
  ['PostgreSQL', { redisUrl: null }],
])('with the queue on %s', (_, transport) => {
  test('an event is delivered at once, and the receiver can tell that it is ours', async () => {
    start({}, transport)
    const { id, secret } = await subscribe()
    await raise()
    const row = await after(1)
    expect(row).toMatchObject({
      status: 'delivered',
      lastStatusCode: 200,
      lastResponse: '{"ok":true}',
      lastError: null,
    })
    expect([row.nextAttemptAt, row.leasedUntil, row.deliveredAt]).toEqual([null, null, expect.any(Date)])
    const [request] = receiver.requests
    expect(request).toMatchObject({ method: 'POST', headers: { 'content-type': 'application/json' } })
    const text = String(request?.body)
    const payload = new Webhook(secret).verify(text, request?.headers as Record<string, string>)
    expect(payload).toMatchObject({ id: row.eventId, type: 'user.created', data: { type: 'users', previous: null } })
    const shown = await api.call('GET', `/api/webhook-deliveries/${row.id}`)
    expect(shown.document.data.meta.payload).toEqual(payload)
    expect(Object.keys(JSON.parse(text) as object)).toEqual(['id', 'type', 'created_at', 'data'])

    const rotated = await api.call('POST', `/api/webhooks/${id}/rotate-secret`, { overlap_seconds: 3_600 })
    secrets.push(rotated.document.data.meta.secret)
    await raise()
    await waitFor(() => receiver.requests.length === 2)
    const headers = receiver.requests[1]?.headers as Record<string, string>
    for (const one of [secret, rotated.document.data.meta.secret]) {
      expect(new Webhook(one).verify(String(receiver.requests[1]?.body), headers)).toBeDefined()
    }
    aheadMs = 2 * 3_600_000
    await raise()
    await waitFor(() => receiver.requests.length === 3)
    expect(receiver.requests[2]?.headers['webhook-signature']).toMatch(/^v1,\S+$/)
  })

  test('a receiver that is down gets it with the first attempt after it is back, with the same id', async () => {
    start({}, transport)
    receiver.answer({ status: 503 })
    const { id } = await subscribe()
    await raise()
    for (const [attempts, pause] of [
      [1, 1],
      [2, 5],
      [3, 30],
    ] as const) {
      const { status, nextAttemptAt } = await after(attempts)
      expect(status).toBe('pending')
      const waitMs = (nextAttemptAt?.getTime() ?? 0) - clock()
      expect(waitMs).toBeGreaterThan(pause * minuteMs - 10_000)
      expect(waitMs).toBeLessThan(pause * minuteMs * 1.2 + 1_000)
      expect((await api.call('GET', `/api/webhooks/${id}`)).document.data.attributes.failing_since).not.toBeNull()
      const backlog = { pendingDeliveries: 1, failingWebhooks: 1, overdueSeconds: 0 }
      expect(await new BacklogRepository(api.database).read()).toMatchObject(backlog)
      if (attempts === 3) receiver.answer({ status: 204 })
      aheadMs += waitMs + 1
    }
    expect(await after(4)).toMatchObject({ status: 'delivered', lastStatusCode: 204, lastResponse: '' })
    expect(new Set(ids(receiver.requests)).size).toBe(1)
    expect((await api.call('GET', `/api/webhooks/${id}`)).document.data.attributes.failing_since).toBeNull()
  })
})

describe('a receiver that', () => {
  async function first(url: string, policy: Partial<DeliveryPolicy> = {}) {
    await subscribe(url)
    start(policy)
    await raise()
    return after(1)
  }

  test('is down for an hour gets every event when it is back, and the log tells the story', async () => {
    receiver.handle((request) => request.socket.resetAndDestroy())
    await subscribe()
    start()
    const { webhookDelivery } = api.database.prisma
    const isIdle = async () =>
      (await webhookDelivery.count({ where: { nextAttemptAt: { lte: new Date(clock()) } } })) === 0
    const pass = async (minutes: number): Promise<void> => {
      aheadMs += minutes * minuteMs
      await waitFor(isIdle)
    }
    for (let minutes = 0; minutes < 60; minutes += 4) {
      if (minutes % 20 === 0) await raise()
      await pass(4)
    }
    const story = await webhookDelivery.findMany({ orderBy: { id: 'asc' } })
    expect(story.map(({ status, attempts }) => [status, attempts])).toEqual([
      ...[
        ['pending', 4],
        ['pending', 3],
        ['pending', 3],
      ],
    ])
    const reset = { lastStatusCode: null, lastError: expect.stringMatching(/socket hang up|ECONNRESET/) }
    expect(story).toMatchObject([reset, reset, reset])
    expect(receiver.requests).toEqual([])

    receiver.handle(null)
    for (let minutes = 0; minutes < 150; minutes += 30) await pass(30)
    const told = await webhookDelivery.findMany({ orderBy: { id: 'asc' } })
    expect(told.map(({ status, attempts }) => [status, attempts])).toEqual([
      ...[
        ['delivered', 5],
        ['delivered', 4],
        ['delivered', 4],
      ],
    ])
    expect(ids(receiver.requests).toSorted()).toEqual(told.map(({ eventId }) => eventId).toSorted())
  })

  test('does not come back is tried six times in half a day, then no more', async () => {
    const { url } = receiver
    await receiver.close()
    await first(url)
    for (const [attempts, minutes] of [
      [2, 2],
      [3, 6],
      [4, 36],
      [5, 144],
      [6, 864],
    ] as const) {
      expect(await delivery()).toMatchObject({ status: 'pending', lastStatusCode: null })
      aheadMs += minutes * minuteMs
      await after(attempts)
    }
    expect(await delivery()).toMatchObject({ status: 'failed', nextAttemptAt: null, lastStatusCode: null })
    expect((await delivery()).lastError).toContain('ECONNREFUSED')
  })

  test('redirects is not followed', async () => {
    const elsewhere = await startFakeUpstream()
    receiver.answer({ status: 307, headers: { location: elsewhere.url } })
    expect(await first(receiver.url)).toMatchObject({ status: 'failed', lastError: 'redirects are not followed' })
    expect(elsewhere.requests).toEqual([])
    await elsewhere.close()
  })

  test.each([404, 410, 422])('answers %i is left alone', async (status) => {
    receiver.answer({ status })
    expect(await first(receiver.url)).toMatchObject({ status: 'failed', lastStatusCode: status })
  })

  test('asks for patience gets it', async () => {
    receiver.answer({ status: 429, headers: { 'retry-after': '1200' } })
    const { nextAttemptAt } = await first(receiver.url)
    expect((nextAttemptAt?.getTime() ?? 0) - clock()).toBeGreaterThan(19 * minuteMs)
  })

  test('never answers is given up after a while, and tried again', async () => {
    receiver.handle(() => {})
    const row = await first(receiver.url, { timeoutMs: 50 })
    expect(row).toMatchObject({ status: 'pending', lastStatusCode: null, lastError: 'no answer within 50 ms' })
  })

  test.each<[string, (response: ServerResponse) => void, object]>([
    ['resets', (response) => response.socket?.resetAndDestroy(), { status: 'pending', lastStatusCode: null }],
    ['hangs up', (response) => response.destroy(), { status: 'pending', lastStatusCode: null }],
    [
      'answers without an end',
      (response) => void response.writeHead(200).write('so far '),
      { status: 'delivered', lastResponse: 'so far ' },
    ],
    [
      'breaks off its answer',
      (response) => {
        response.writeHead(202, { 'content-length': 100 }).write('so far ', () => response.socket?.resetAndDestroy())
      },
      { status: 'delivered', lastStatusCode: 202 },
    ],
    [
      'answers with more than anyone wants to know',
      (response) => {
        const more = (): void =>
          void (response.write('x'.repeat(65_536)) ? setImmediate(more) : response.once('drain', more))
        response.writeHead(500)
        more()
      },
      { status: 'pending', lastStatusCode: 500, lastResponse: 'x'.repeat(1_024) },
    ],
    [
      'answers in bytes',
      (response) => response.end(Buffer.from([0, 0xff, 0x41, 0])),
      { status: 'delivered', lastResponse: '\uFFFD\uFFFDA\uFFFD' },
    ],
    [
      'wants to talk about something else',
      (response) =>
        response.socket?.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
      { status: 'pending', lastStatusCode: null },
    ],
  ])('%s', async (_, behave, expected) => {
    receiver.handle((_request, response) => behave(response))
    expect(await first(receiver.url, { timeoutMs: 300 })).toMatchObject(expected)
  })

  test('speaks no HTTP is tried again', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.end('220 mail.example.com ESMTP\r\n')
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    const row = await first(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    expect(row).toMatchObject({
      status: 'pending',
      lastStatusCode: null,
      lastError: expect.stringMatching(/Parse Error/),
    })
    server.close()
  })

  test('is slow holds up no other, and gets no more than it may at once', async () => {
    let [atOnce, most] = [0, 0]
    const slow = await startFakeUpstream()
    const gates: (() => void)[] = []
    slow.handle((_request, response) => {
      most = Math.max(most, (atOnce += 1))
      gates.push(() => {
        atOnce -= 1
        response.end()
      })
    })
    await subscribe(slow.url)
    await subscribe()
    start({ slicesAtOnceMax: 5 })
    for (let n = 0; n < 12; n++) await raise()
    await waitFor(() => receiver.requests.length === 12)
    expect(most).toBe(4)
    // As it answers, the rest follow.
    await waitFor(async () => {
      for (const open of gates.splice(0)) open()
      const left = await api.database.prisma.webhookDelivery.count({ where: { status: 'pending' } })
      return left === 0
    })
    expect(most).toBe(4)
    await slow.close()
  })

  test('closes the connection that was kept gets the next event on another one', async () => {
    await subscribe()
    start()
    let sockets = 0
    const seen = new WeakSet<object>()
    receiver.answer((_request, response) => {
      if (!seen.has(response.socket ?? {})) sockets += 1
      seen.add(response.socket ?? {})
      response.end()
    })
    for (let n = 1; n <= 2; n++) {
      await raise()
      await waitFor(() => receiver.requests.length === n)
      await waitFor(
        async () => (await api.database.prisma.webhookDelivery.count({ where: { status: 'pending' } })) === 0,
      )
    }
    expect(sockets).toBe(1)
    // From now on what comes on a connection that was used before meets its end.
    receiver.handle((request, response) => {
      if (seen.has(request.socket)) return request.socket.resetAndDestroy()
      seen.add(request.socket)
      return response.end()
    })
    await raise()
    await waitFor(
      async () => (await api.database.prisma.webhookDelivery.count({ where: { status: 'delivered' } })) === 3,
    )
    const attempts = await api.database.prisma.webhookDelivery.findMany({ select: { attempts: true } })
    expect(attempts).toEqual([{ attempts: 1 }, { attempts: 1 }, { attempts: 1 }])
  })

  test('is changed while much is sent to it gets the rest as it is now', async () => {
    const other = await startFakeUpstream()
    const { id } = await subscribe()
    for (let n = 0; n < 12; n++) await raise()
    const gates: (() => void)[] = []
    receiver.answer((_request, response) => gates.push(() => response.end()))
    start()
    await waitFor(() => gates.length === 4)
    expect((await api.call('PATCH', `/api/webhooks/${id}`, { url: other.url })).status).toBe(200)
    const changed = performance.now()
    // What was read before counts for a second.
    await waitFor(() => performance.now() - changed > 1_000)
    for (const open of gates) open()
    await waitFor(() => other.requests.length === 8)
    expect(receiver.requests).toHaveLength(4)
    await other.close()
  })

  test('is dead takes little of the room of the others, however many are', async () => {
    receiver.handle(() => {})
    for (let n = 0; n < 5; n++) await subscribe()
    await api.database.prisma.webhook.updateMany({ data: { failingSince: new Date() } })
    await raise()
    await raise()
    const bounds = { ...deliveryPolicy, failingAtOnceMax: 2 }
    const until = new Date(clock() + leaseMs)
    const slices = await deliveries.leaseDue(new Date(clock()), until, bounds)
    expect(slices.map((slice) => [slice.atOnce, slice.deliveries.length])).toEqual([
      [1, 1],
      [1, 1],
    ])
    expect(await deliveries.leaseDue(new Date(clock()), until, bounds)).toEqual([])
    await subscribe()
    await raise()
    const [alive, ...others] = await deliveries.leaseDue(new Date(clock()), until, bounds)
    expect([alive?.atOnce, alive?.deliveries.length, others]).toEqual([4, 1, []])
    await raise()
    expect(await deliveries.leaseDue(new Date(clock()), until, bounds)).toMatchObject([{ atOnce: 3 }])
  })

  test('has been failing for days is disabled, with a row in the audit trail, and others are told once', async () => {
    receiver.answer({ status: 500 })
    const { id } = await subscribe()
    start()
    await raise()
    await after(1)
    const other = await startFakeUpstream()
    await subscribe(other.url, { events: ['webhook.disabled'] })
    const setBack = new Date(clock() - 6 * dayMs)
    await api.database.prisma.webhook.update({ where: { id }, data: { failingSince: setBack } })
    aheadMs += 2 * minuteMs
    await raise()
    const { attributes } = await waitFor(async () => {
      const { data } = (await api.call('GET', `/api/webhooks/${id}`)).document
      return data.attributes.enabled === false && data
    })
    expect(attributes).toMatchObject({ failing_since: setBack.toISOString(), disabled_at: expect.any(String) })
    const trail = await api.call('GET', `/api/audit-events?filter[target]=${id}&filter[action]=webhooks.disable`)
    expect(trail.document.data).toMatchObject([{ attributes: { actor_type: 'system', after: { enabled: false } } }])
    await waitFor(async () => (await api.database.prisma.webhookDelivery.count({ where: { status: 'failed' } })) === 2)
    await waitFor(() => other.requests.length === 1)
    expect(JSON.parse(String(other.requests[0]?.body))).toMatchObject({
      type: 'webhook.disabled',
      data: { type: 'webhooks', id, attributes: { enabled: false }, previous: { enabled: true } },
    })
    expect(await api.database.prisma.webhookEvent.count({ where: { type: 'webhook.disabled' } })).toBe(1)
    await other.close()
  })
})

describe('what is lost on the way is not lost', () => {
  test('a lease whose process died before the queue had it', async () => {
    await subscribe()
    await raise()
    expect(await leaseDue()).toMatchObject([{ deliveries: [{ lease: 1 }] }])
    start()
    expect(await leaseDue()).toEqual([])
    aheadMs += leaseMs + 1
    expect(await after(1)).toMatchObject({ status: 'delivered', lease: 2 })
    expect(receiver.requests).toHaveLength(1)
  })

  test('an attempt whose process died: it is repeated with the same id, and the dead one has no say', async () => {
    await subscribe()
    await raise()
    const [slice] = await leaseDue()
    const leases = slice?.deliveries ?? []
    const [dead] = await deliveries.read(leases, new Date(clock()))
    aheadMs += leaseMs + 1
    start()
    const row = await after(1)
    expect(ids(receiver.requests)).toEqual([dead?.eventId])
    expect(await deliveries.read(leases, new Date())).toEqual([])
    const answer = { statusCode: 500, latencyMs: 1, response: '', error: null, retryAfter: null, refused: false }
    if (dead) await deliveries.finish([{ attempt: dead, answer, verdict: { status: 'failed' } }], new Date())
    expect(await delivery()).toEqual(row)
  })

  test('a queue that is away: it is delivered when the queue is back', async () => {
    await subscribe()
    const redisUrl = 'redis://127.0.0.1:1'
    const engine = start({}, { redisUrl })
    await raise()
    await engine.onModuleDestroy()
    expect(await delivery()).toMatchObject({ status: 'pending', attempts: 0, leasedUntil: null })
    start()
    await after(1)
  })

  test('the end of a process: what it is sending is sent, and another goes on', async () => {
    const { id } = await subscribe()
    let answer = (): unknown => null
    receiver.answer((_request, response) => (answer = () => response.end()))
    const engine = start()
    await raise()
    await waitFor(() => receiver.requests.length === 1)
    const ended = engine.onModuleDestroy()
    await raise()
    answer()
    await ended
    const rows = await api.database.prisma.webhookDelivery.findMany({
      where: { webhookId: id },
      orderBy: { id: 'asc' },
    })
    expect(rows.map(({ status }) => status)).toEqual(['delivered', 'pending'])
    receiver.answer({ status: 200 })
    start()
    await waitFor(() => receiver.requests.length === 2)
  })

  test('a delivery that is given up while it is sent is not tried again, but its success is noted', async () => {
    const { id } = await subscribe()
    const answers: ServerResponse[] = []
    receiver.answer((_request, response) => answers.push(response))
    start()
    await raise()
    await raise()
    await waitFor(() => answers.length === 2)
    await api.call('PATCH', `/api/webhooks/${id}`, { enabled: false })
    answers[0]?.end()
    answers[1]?.writeHead(500).end()
    await waitFor(async () => {
      const rows = await api.database.prisma.webhookDelivery.findMany()
      return (
        rows
          .map(({ status }) => status)
          .toSorted()
          .join() === 'delivered,failed'
      )
    })
  })
})

describe('where a name leads', () => {
  const port = (): string => new URL(receiver.url).port
  async function named(hostname: string): Promise<void> {
    await subscribe(`http://127.0.0.1:${port()}/`)
    await api.database.prisma.webhook.updateMany({ data: { url: `http://${hostname}:${port()}/hook` } })
  }

  test('is asked once, and what was checked is dialled', async () => {
    names.set('receiver.test', ['127.0.0.1'])
    await named('receiver.test')
    start()
    await raise()
    expect(await after(1)).toMatchObject({ status: 'delivered' })
    expect(lookUps).toEqual(['receiver.test'])
    expect(receiver.requests[0]?.headers.host).toBe(`receiver.test:${port()}`)
  })

  test('is checked at each attempt, because it changes', async () => {
    names.set('rebinding.test', ['127.0.0.1'])
    await named('rebinding.test')
    receiver.answer({ status: 500 })
    start()
    await raise()
    await after(1)
    names.set('rebinding.test', ['127.0.0.2'])
    aheadMs += 2 * minuteMs
    expect(await after(2)).toMatchObject({
      status: 'failed',
      lastError: 'rebinding.test, which is 127.0.0.2, is not a public address',
    })
    expect(receiver.requests).toHaveLength(1)
  })

  test('is refused as an address, too', async () => {
    await named('127.0.0.3')
    start()
    await raise()
    expect(await after(1)).toMatchObject({ status: 'failed', lastError: '127.0.0.3 is not a public address' })
  })
})

test('how long a delivery has waited that nobody sends is told to operators', async () => {
  await subscribe()
  await raise()
  await api.database.prisma.webhookDelivery.updateMany({ data: { nextAttemptAt: new Date(Date.now() - 90_000) } })
  const { overdueSeconds, pendingDeliveries } = await new BacklogRepository(api.database).read()
  expect([Math.floor(overdueSeconds / 10), pendingDeliveries]).toEqual([9, 1])
})
