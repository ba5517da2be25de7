import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { readProtobuf, type Field, type Message } from './protobuf.reader.ts'

export interface ReceivedSpan {
  traceId: string
  spanId: string
  /** Empty for the first of a trace. */
  parentSpanId: string
  name: string
  kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer'
  startMs: number
  endMs: number
  attributes: Record<string, unknown>
  isError: boolean
  /** Of the resource. */
  service: string
}

export interface ReceivedMetric {
  name: string
  unit: string
  type: 'gauge' | 'sum' | 'histogram'
  points: { attributes: Record<string, unknown>; value: number; buckets: number[]; bounds: number[]; sum: number }[]
}

export interface OtlpReceiver {
  /** `http://127.0.0.1:<port>`, the OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string
  readonly spans: ReceivedSpan[]
  /** Of the newest export, by service. */
  readonly metrics: Map<string, ReceivedMetric[]>
  /** Everything that came, as it came, to look for what must not be in it. */
  readonly received: Buffer[]
  /** What to do from now on: take it, refuse it, or never answer. */
  behave(how: 'take' | 'refuse' | 'hang'): void
  close(): Promise<void>
}

const kinds = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const

/** A collector that understands OTLP over HTTP with protobuf, and keeps what it is told. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = []
  const metrics = new Map<string, ReceivedMetric[]>()
  const received: Buffer[] = []
  let how: 'take' | 'refuse' | 'hang' = 'take'
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const raw = await buffer(request)
    const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw
    received.push(body)
    if (how === 'hang') return
    if (how === 'take' && request.url === '/v1/traces') spans.push(...spansOf(body))
    if (how === 'take' && request.url === '/v1/metrics') {
      for (const [service, told] of metricsOf(body)) metrics.set(service, told)
    }
    response.writeHead(how === 'refuse' ? 503 : 200, { 'content-type': 'application/x-protobuf' }).end()
  }
  const server = createServer((request, response) => void take(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ spans, metrics, received },
    behave: (next) => (how = next),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const one = (name: string, type: Field['type']): Field => ({ name, type })
const many = (name: string, type: Field['type']): Field => ({ name, type, many: true })

// https://github.com/open-telemetry/opentelemetry-proto
const anyValue: Message = { 1: one('s', 'text'), 2: one('b', 'varint'), 3: one('i', 'varint'), 4: one('d', 'double') }
const keyValue: Message = { 1: one('key', 'text'), 2: one('value', anyValue) }
const resource: Message = { 1: many('attributes', keyValue) }
const span: Message = {
  ...{ 1: one('traceId', 'hex'), 2: one('spanId', 'hex'), 4: one('parentSpanId', 'hex'), 5: one('name', 'text') },
  ...{ 6: one('kind', 'varint'), 7: one('start', 'fixed64'), 8: one('end', 'fixed64') },
  ...{ 9: many('attributes', keyValue), 15: one('status', { 3: one('code', 'varint') }) },
}
const traces: Message = {
  1: many('resources', { 1: one('resource', resource), 2: many('scopes', { 2: many('spans', span) }) }),
}
const numberPoint: Message = { 4: one('value', 'double'), 6: one('value', 'fixed64'), 7: many('attributes', keyValue) }
const histogramPoint: Message = {
  ...{ 4: one('value', 'fixed64'), 5: one('sum', 'double'), 6: one('buckets', 'packed-fixed64') },
  ...{ 7: one('bounds', 'packed-double'), 9: many('attributes', keyValue) },
}
const metric: Message = {
  ...{ 1: one('name', 'text'), 3: one('unit', 'text'), 5: one('gauge', { 1: many('points', numberPoint) }) },
  ...{ 7: one('sum', { 1: many('points', numberPoint) }), 9: one('histogram', { 1: many('points', histogramPoint) }) },
}
const metricsMessage: Message = {
  1: many('resources', { 1: one('resource', resource), 2: many('scopes', { 2: many('metrics', metric) }) }),
}

function spansOf(body: Buffer): ReceivedSpan[] {
  return readProtobuf(body, traces)['resources'].flatMap((each: any) =>
    each.scopes
      .flatMap((scope: any) => scope.spans)
      .map((told: any) => ({
        ...{ traceId: told.traceId, spanId: told.spanId, parentSpanId: told.parentSpanId ?? '', name: told.name },
        ...{ kind: kinds[told.kind ?? 0], startMs: told.start / 1e6, endMs: told.end / 1e6 },
        ...{ attributes: attributesOf(told), isError: told.status?.code === 2 },
        service: serviceOf(each),
      })),
  )
}

function metricsOf(body: Buffer): [string, ReceivedMetric[]][] {
  return readProtobuf(body, metricsMessage)['resources'].map((each: any) => [
    serviceOf(each),
    each.scopes
      .flatMap((scope: any) => scope.metrics)
      .map((told: any) => {
        const type = told.sum ? 'sum' : told.histogram ? 'histogram' : 'gauge'
        const points = told[type].points.map((point: any) => ({ ...point, attributes: attributesOf(point) }))
        return { name: told.name, unit: told.unit ?? '', type, points }
      }),
  ])
}

function serviceOf(each: any): string {
  return String(attributesOf(each.resource)['service.name'])
}

function attributesOf({ attributes }: any): Record<string, unknown> {
  const pairs = attributes.map(({ key, value }: any) => [key, value.s ?? value.i ?? value.d ?? value.b])
  return Object.fromEntries(pairs)
}
