import { request } from 'node:http'
import {
  createLogger,
  currentTracing,
  EnvReader,
  readTelemetry,
  startTelemetry,
  type Telemetry,
} from '@apigate/platform'
import { startFakeUpstream, startOtlpReceiver, waitFor, type FakeUpstream, type OtlpReceiver } from '@apigate/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startTestTraffic, type TestTraffic } from '../../test/traffic.fixture.ts'
import { aCustomer, aRouteTo } from '../../test/worker.fixture.ts'
import { TrustedProxies } from '../trusted-proxies.ts'
import { RequestTracer } from './request.tracer.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const parentSpanId = '00f067aa0ba902b7'
const sampled = `00-${traceId}-${parentSpanId}-01`
const customer = aCustomer({ rateLimitPerMinute: 0 })

let upstream: FakeUpstream
let collector: OtlpReceiver
let telemetry: Telemetry | null = null
let traffic: TestTraffic
beforeEach(async () => {
  upstream = await startFakeUpstream()
  collector = await startOtlpReceiver()
})
afterEach(async () => {
  await telemetry?.close()
  await traffic.stop()
  await Promise.all([upstream.close(), collector.close()])
})

const log = createLogger({ name: 'proxy', level: 'silent' })
const routed = () => aRouteTo(upstream.url, { pathPattern: '/api/*' })

/** Its clients are believed unless `believed` says otherwise. */
async function start(settings: Record<string, string> = {}, to = routed(), believed = ['127.0.0.1']): Promise<void> {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '20', ...settings }
  const identity = { service: 'apigate-proxy', version: '1', instance: 'w-1' }
  telemetry = await startTelemetry(readTelemetry(new EnvReader(env)), identity, log)
  const tracer = new RequestTracer(currentTracing()!, new TrustedProxies(believed))
  traffic = await startTestTraffic([...customer.items, ...to.items], {}, { tracer })
}

async function get(path: string, headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(traffic.url + path, { headers: { 'x-api-key': customer.key.clear, ...headers } })
  await response.text()
  return response.status
}

/** What the upstream got last. */
const forwarded = (name: string): string | undefined => upstream.requests.at(-1)?.headers[name] as string | undefined

test('a client’s trace goes on to the upstream by a server span and a client span, and its id is in the event', async () => {
  await start()
  expect(await get('/api/things?page=2', { traceparent: sampled, tracestate: 'a=1' })).toBe(200)
  await waitFor(() => collector.spans.length === 2)
  const server = collector.spans.find(({ kind }) => kind === 'server')!
  const client = collector.spans.find(({ kind }) => kind === 'client')!
  expect(server).toMatchObject({ traceId, parentSpanId, name: 'GET /api/*', service: 'apigate-proxy', isError: false })
  expect(client).toMatchObject({ traceId, parentSpanId: server.spanId, name: 'GET', isError: false })
  expect(forwarded('traceparent')).toBe(`00-${traceId}-${client.spanId}-01`)
  expect(forwarded('tracestate')).toBe('a=1')
  expect(traffic.events.at(-1)?.trace_id).toBe(traceId)
  const { port } = new URL(upstream.url)
  expect(server.attributes).toMatchObject({
    ...{ 'http.request.method': 'GET', 'url.path': '/api/things', 'url.query': 'page=REDACTED', 'url.scheme': 'http' },
    ...{ 'http.route': '/api/*', 'http.response.status_code': 200, 'server.address': '127.0.0.1' },
    ...{ 'server.port': traffic.port, 'network.protocol.version': '1.1', 'client.address': '127.0.0.1' },
    ...{ 'apigate.key.id': customer.key.config.id, 'apigate.user.id': customer.userId },
  })
  expect(client.attributes).toMatchObject({
    ...{ 'http.request.method': 'GET', 'url.full': `${upstream.url}/api/things?page=REDACTED` },
    ...{ 'server.address': '127.0.0.1', 'server.port': Number(port), 'http.response.status_code': 200 },
  })
  expect(server.startMs).toBeLessThanOrEqual(client.startMs)
  expect(client.endMs).toBeLessThanOrEqual(server.endMs)
})

test('a trace begins here where a client has none, or none that is usable', async () => {
  await start()
  await get('/api/a')
  await get('/api/b', { traceparent: '00-nonsense', tracestate: 'of=nobody' })
  await waitFor(() => collector.spans.length === 4)
  const roots = collector.spans.filter(({ kind }) => kind === 'server')
  expect(roots.map((span) => span.parentSpanId)).toEqual(['', ''])
  expect(new Set(roots.map((span) => span.traceId)).size).toBe(2)
  expect(forwarded('traceparent')).toContain(roots[1]!.traceId)
  expect(forwarded('tracestate')).toBeUndefined()
  expect(traffic.events.map((event) => event.trace_id)).toEqual(roots.map((span) => span.traceId))
})

test('what is not sampled leaves nothing, and goes on as the client sent it', async () => {
  await start({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' })
  const unsampled = `00-${traceId}-${parentSpanId}-00`
  await get('/api/a', { traceparent: unsampled, tracestate: 'a=1' })
  expect([forwarded('traceparent'), forwarded('tracestate')]).toEqual([unsampled, 'a=1'])
  expect(traffic.events.at(-1)?.trace_id).toBe(traceId)
  await get('/api/a')
  expect(forwarded('traceparent')).toBeUndefined()
  expect(traffic.events.at(-1)?.trace_id).toBeUndefined()
  // The parent's word counts, so that this one is.
  await get('/api/a', { traceparent: sampled })
  await waitFor(() => collector.spans.length === 2)
  expect(collector.spans.every((span) => span.traceId === traceId)).toBe(true)
})

test.each(['parentbased_traceidratio', 'traceidratio'])(
  'by %s a client that is not believed has no word on what is traced, here and at the upstream',
  async (OTEL_TRACES_SAMPLER) => {
    await start({ OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG: '0.01' }, routed(), [])
    // The coin of one that is not sampled; the id is of those that a share by id always takes.
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    const chosen = `${'0'.repeat(31)}1`
    await get('/api/a', { traceparent: `00-${chosen}-${parentSpanId}-01`, tracestate: 'a=1' })
    expect(forwarded('traceparent')).toMatch(new RegExp(`^00-${chosen}-(?!${parentSpanId})[0-9a-f]{16}-00$`))
    expect(forwarded('tracestate')).toBe('a=1')
    expect(traffic.events.at(-1)?.trace_id).toBe(chosen)
    const unsampled = `00-${traceId}-${parentSpanId}-00`
    await get('/api/a', { traceparent: unsampled })
    expect(forwarded('traceparent')).toBe(unsampled)
    // Nor may it hide.
    vi.spyOn(Math, 'random').mockReturnValue(0)
    await get('/api/a', { traceparent: unsampled })
    vi.restoreAllMocks()
    await telemetry?.close()
    expect(collector.spans.map((span) => span.traceId)).toEqual([traceId, traceId])
  },
)

test('two that are sent as one force no upstream’s sampler either', async () => {
  await start({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' }, routed(), [])
  // Some take the first, some the last.
  const headers = ['x-api-key', customer.key.clear, 'traceparent', sampled, 'traceparent', sampled]
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  request(`${traffic.url}/api/a`, { headers: ['host', 'a', ...headers] }, (answer) =>
    answer.resume().on('end', resolve),
  )
    .on('error', reject)
    .end()
  await promise
  expect(upstream.requests).toHaveLength(1)
  expect(forwarded('traceparent')).toBeUndefined()
})

test('refusals and failures are told with their code; the call that was not made has no span', async () => {
  await start()
  upstream.handle((request) => request.socket.destroy())
  expect(await get('/api/a')).toBe(502)
  expect(await get('/none')).toBe(404)
  await waitFor(() => collector.spans.length === 3)
  const [failed, refused] = ['/api/a', '/none'].map((path) =>
    collector.spans.find(({ attributes }) => attributes['url.path'] === path),
  )
  expect(failed).toMatchObject({ isError: true, attributes: { 'error.type': 'upstream_error' } })
  expect(refused).toMatchObject({
    isError: false,
    name: 'GET',
    attributes: { 'apigate.error.code': 'route_not_found' },
  })
  const client = collector.spans.find(({ kind }) => kind === 'client')
  expect(client).toMatchObject({ isError: true, parentSpanId: failed?.spanId })
  expect(client?.attributes).not.toHaveProperty('http.response.status_code')
})

test('a transform may keep the trace from an upstream, and other headers pass as without one', async () => {
  const to = aRouteTo(upstream.url, {
    pathPattern: '/api/*',
    requestTransform: { headers: { remove: ['traceparent', 'tracestate'] } },
  })
  await start({}, to)
  await get('/api/a', { traceparent: sampled, tracestate: 'a=1', authorization: 'Basic mine', via: '1.1 a' })
  expect([forwarded('traceparent'), forwarded('tracestate')]).toEqual([undefined, undefined])
  expect([forwarded('via'), forwarded('x-api-key')]).toEqual(['1.1 a, 1.1 apigate', undefined])
})

test('no secret of a request leaves by a span', async () => {
  await start()
  const secrets = ['sesame', 'hidden-cookie', 'hidden-header', customer.key.clear]
  await get(`/api/${customer.key.clear}?api_key=sesame&${customer.key.clear}=1`, {
    ...{ cookie: 'session=hidden-cookie', 'x-other': 'hidden-header', 'x-request-id': customer.key.clear },
    authorization: `Bearer ${customer.key.clear}`,
  })
  await get('/api/a?sesame', { 'x-api-key': 'ak_wrong-sesame' })
  await waitFor(() => collector.spans.length === 3)
  const told = Buffer.concat(collector.received).toString('latin1')
  expect(told).toContain('http.request.method')
  for (const secret of secrets) expect(told).not.toContain(secret)
})

test.each(['refuse', 'hang'] as const)(
  'a collector that does %s disturbs no request, and only so many spans wait for it',
  async (how) => {
    await start({ OTEL_BSP_MAX_QUEUE_SIZE: '50', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10' })
    collector.behave(how)
    for (let n = 0; n < 30; n++) {
      expect(await Promise.all(Array.from({ length: 10 }, (_, i) => get(`/api/${n}/${i}`)))).toEqual(
        Array.from({ length: 10 }, () => 200),
      )
    }
    await waitFor(() => collector.received.length > 0)
    const before = collector.received.length
    collector.behave('take')
    await telemetry?.close()
    // Of 600 spans: what was under way, and what waited.
    expect(collector.spans.length).toBeLessThanOrEqual(50 + 10 * (before + 1))
  },
)
