import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { startOtlpReceiver, waitFor, type OtlpReceiver, type ReceivedMetric, type ReceivedSpan } from '@apigate/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { modes, startSystem, type RunningSystem } from './system.ts'

const root = path.resolve(import.meta.dirname, '../..')
const parentSpanId = '00f067aa0ba902b7'
let traces = 0
/** A client's own trace, which each test has one of. */
const newTraceId = (): string => `4bf92f3577b34da6a3ce929d0e0e${String(++traces).padStart(4, '0')}`

describe.each(modes)('in %s mode', (mode) => {
  let collector: OtlpReceiver
  let system: RunningSystem
  beforeAll(async () => {
    collector = await startOtlpReceiver()
    system = await startSystem(mode, {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_METRIC_EXPORT_INTERVAL: '500',
      APIGATE_ACCESS_LOG: 'true',
    })
  })
  afterAll(async () => {
    await system?.stop()
    await collector?.close()
  })

  const spanOf = (matches: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan> =>
    waitFor(() => collector.spans.find(matches), { timeoutMs: 15_000 })
  const logOf = (name: string): Record<string, unknown>[] =>
    readFileSync(path.join(system.dataDir, 'logs', `${name}.log`), 'utf8')
      .split('\n')
      .slice(0, -1) // What follows the last end of a line is being written.
      .map((line) => JSON.parse(line) as Record<string, unknown>)

  /** Up to the span that the client has begun. Processes tell of their spans in any order. */
  async function ancestors(span: ReceivedSpan): Promise<string[]> {
    const names = [`${span.service} ${span.name}`]
    for (let at = span; at.parentSpanId !== parentSpanId;) {
      const { parentSpanId: wanted } = at
      at = await spanOf(({ spanId }) => spanId === wanted)
      names.push(`${at.service} ${at.name}`)
    }
    return names
  }

  test('a request is one trace from its client to the upstream, the ledger and the log', async () => {
    const traceId = newTraceId()
    const response = await fetch(`${system.proxyUrl}/echo/traced`, {
      headers: { 'x-api-key': system.sampleKey, traceparent: `00-${traceId}-${parentSpanId}-01` },
    })
    const { headers } = (await response.json()) as { headers: Record<string, string> }
    const client = await spanOf((span) => span.traceId === traceId && span.kind === 'client')
    expect(await ancestors(client)).toEqual(['apigate-proxy GET', 'apigate-proxy GET /echo/*'])
    expect(headers['traceparent']).toBe(`00-${traceId}-${client.spanId}-01`)

    const events = `/api/usage-events?filter[trace_id]=${traceId}`
    const event = await waitFor(async () => (await system.admin('GET', events)).document.data[0])
    expect(event.attributes).toMatchObject({ path: '/echo/traced', trace_id: traceId })
    const line = await waitFor(() =>
      logOf('proxy').find(({ msg, trace_id }) => msg === 'access' && trace_id === traceId),
    )
    expect(line).toMatchObject({ path: '/echo/traced', request_id: event.attributes.request_id, status_code: 200 })
  })

  test('a write is one trace from its client over the database to the workers', async () => {
    const traceId = newTraceId()
    const { status, headers } = await system.admin(...(['POST', '/api/plans', { name: `traced ${mode}` }] as const), {
      traceparent: `00-${traceId}-${parentSpanId}-01`,
    })
    expect(status).toBe(201)
    const of = (name: string) => spanOf((span) => span.traceId === traceId && span.name === name)
    const consumed = await of('process config.changes')
    expect(consumed.attributes['apigate.config.revision']).toBe(Number(headers.get('x-config-revision')))
    const insert = await spanOf((span) => span.traceId === traceId && span.name === 'INSERT plans')
    expect(insert.attributes).toMatchObject({ 'db.system.name': 'postgresql', 'server.address': '127.0.0.1' })
    const operation = await of('prisma:client:operation')
    expect(operation.attributes['model']).toBeDefined()
    await of('POST /api/plans')

    const way = await ancestors(consumed)
    expect(way[0]).toBe('apigate-proxy process config.changes')
    expect(way.at(-1)).toBe('apigate-api POST /api/plans')
    expect(way.includes('apigate-jobs send config.changes')).toBe(mode === 'deployment')
    expect((await ancestors(insert)).at(-1)).toBe('apigate-api POST /api/plans')
  })

  test('a batch of usage is one trace from the worker over the queue to the ledger', async () => {
    const insert = await spanOf(({ name }) => name === 'ingest-usage')
    const processed = await spanOf(({ spanId }) => spanId === insert.parentSpanId)
    const sent = await spanOf(({ spanId }) => spanId === processed.parentSpanId)
    expect([sent, processed].map(({ service, name, kind }) => `${service} ${name} ${kind}`)).toEqual([
      'apigate-proxy send apigate-usage-rows producer',
      'apigate-jobs process apigate-usage-rows consumer',
    ])
    expect(sent.parentSpanId).toBe('')
  })

  test('each process tells by OTLP what it tells Prometheus', async () => {
    const text = async (url: string, headers = {}): Promise<string> => (await fetch(url, { headers })).text()
    const asAdmin = { authorization: `Bearer ${system.adminKey}` }
    await system.admin('GET', '/api/plans')
    await fetch(`${system.proxyUrl}/echo/counted`, { headers: { 'x-api-key': system.sampleKey } })
    for (const [service, url] of [
      ['apigate-proxy', `${system.statusUrl}/metrics`],
      ['apigate-jobs', `${system.jobsUrl}/metrics`],
      ['apigate-api', `${system.adminUrl}/metrics`],
    ] as const) {
      await waitFor(async () => {
        const names = [...(await text(url, asAdmin)).matchAll(/^# TYPE (\w+)/gm)].map(([, name = '']) => name)
        const told = collector.metrics.get(service)?.map(({ name }) => name)
        return told !== undefined && names.toSorted().join() === told.toSorted().join()
      })
    }
    const toldOf = (metric: string): ReceivedMetric =>
      collector.metrics.get('apigate-proxy')!.find(({ name }) => name === metric)!
    // The names were told before the first request was.
    await waitFor(() => toldOf('apigate_request_duration_seconds').points.length > 0)
    const duration = toldOf('apigate_request_duration_seconds')
    expect(duration).toMatchObject({ type: 'histogram', unit: 's' })
    const [point] = duration.points
    expect(point!.bounds).toEqual([0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10])
    expect(point!.buckets.reduce((sum, count) => sum + count, 0)).toBe(point!.value)
    const answers = toldOf('apigate_requests_total')
    expect(answers.type).toBe('sum')
    expect(answers.points[0]?.attributes).toMatchObject({ status: '2xx' })
  })

  test('every line of every log is JSON, and no secret is in what is told', async () => {
    for (const name of ['api', 'jobs', 'proxy']) expect(logOf(name).length).toBeGreaterThan(0)
    const encryptionKey = readFileSync(path.join(system.dataDir, 'encryption.key'), 'utf8').trim()
    const password = /password (\S+)/.exec(system.printed)?.[1]
    const told = Buffer.concat(collector.received).toString('latin1')
    expect(told).toContain('apigate-api')
    for (const secret of [system.adminKey, system.sampleKey, encryptionKey, password]) {
      expect(secret).toBeTruthy()
      expect(told).not.toContain(secret)
    }
  })
})

test('without an endpoint nothing of OpenTelemetry is loaded', () => {
  const hook = `import { registerHooks } from 'node:module'
    registerHooks({ resolve(name, context, next) {
      if (name.startsWith('@opentelemetry/')) process.stderr.write('loaded ' + name)
      return next(name, context)
    } })`
  for (const main of ['apps/proxy/dist/main.js', 'apps/control-plane/dist/main.api.js']) {
    const args = ['--import', `data:text/javascript,${encodeURIComponent(hook)}`, path.join(root, main)]
    // It imports everything, and then has no settings.
    const { stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8', env: {} })
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('settings are not usable') })
    expect(stderr).not.toContain('loaded')
  }
})
