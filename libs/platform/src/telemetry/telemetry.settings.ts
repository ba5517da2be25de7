import type { EnvReader } from '../env.ts'

/** What is told to a collector by OTLP, by the standard variables of OpenTelemetry. Off unless an endpoint is set. */
export interface TelemetrySettings {
  /** Null: the process's own. */
  serviceName: string | null
  resourceAttributes: Readonly<Record<string, string>>
  traces: TraceSettings | null
  metrics: MetricSettings | null
}

export interface TraceSettings {
  url: string
  sampler: SamplerName
  /** Of the `traceidratio` samplers: the share of traces, 0 to 1. */
  ratio: number
  /** Spans that wait for the collector; more are dropped. */
  queueSpansMax: number
  batchSpansMax: number
  batchDelayMs: number
  batchTimeoutMs: number
}

export interface MetricSettings {
  url: string
  intervalMs: number
  timeoutMs: number
}

const samplers = [
  ...(['parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio'] as const),
  ...(['always_on', 'always_off', 'traceidratio'] as const),
] as const
export type SamplerName = (typeof samplers)[number]

export const noTelemetry: TelemetrySettings = { serviceName: null, resourceAttributes: {}, traces: null, metrics: null }

/**
 * Reads the standard variables. What the exporters read themselves is not here: headers, timeouts, compression, certificates
 * (`OTEL_EXPORTER_OTLP_HEADERS`, …).
 */
export function readTelemetry(env: EnvReader): TelemetrySettings {
  const isDisabled = env.boolean('OTEL_SDK_DISABLED', false)
  const base = env.parsed('OTEL_EXPORTER_OTLP_ENDPOINT', null, parseUrl)
  const tracesUrl = env.parsed('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', under(base, 'v1/traces'), parseUrl)
  const metricsUrl = env.parsed('OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', under(base, 'v1/metrics'), parseUrl)
  const tellsTraces = env.parsed('OTEL_TRACES_EXPORTER', true, exporterList(['otlp', 'none']))
  const tellsMetrics = env.parsed('OTEL_METRICS_EXPORTER', true, exporterList(['otlp', 'prometheus', 'none']))
  for (const name of [
    'OTEL_EXPORTER_OTLP_PROTOCOL',
    'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL',
    'OTEL_EXPORTER_OTLP_METRICS_PROTOCOL',
  ]) {
    env.oneOf(name, ['http/protobuf'], 'http/protobuf')
  }
  const traces = {
    sampler: env.oneOf('OTEL_TRACES_SAMPLER', samplers, 'parentbased_always_on'),
    ratio: env.parsed('OTEL_TRACES_SAMPLER_ARG', 1, parseRatio),
    queueSpansMax: env.integer('OTEL_BSP_MAX_QUEUE_SIZE', 2_048, 1, 1_000_000),
    batchSpansMax: env.integer('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512, 1, 1_000_000),
    batchDelayMs: env.integer('OTEL_BSP_SCHEDULE_DELAY', 5_000, 1, 3_600_000),
    batchTimeoutMs: env.integer('OTEL_BSP_EXPORT_TIMEOUT', 30_000, 1, 3_600_000),
  }
  const metrics = {
    intervalMs: env.integer('OTEL_METRIC_EXPORT_INTERVAL', 60_000, 100, 86_400_000),
    timeoutMs: env.integer('OTEL_METRIC_EXPORT_TIMEOUT', 30_000, 1, 86_400_000),
  }
  return {
    serviceName: env.optional('OTEL_SERVICE_NAME'),
    resourceAttributes: env.parsed('OTEL_RESOURCE_ATTRIBUTES', {}, parseAttributes),
    traces: isDisabled || !tellsTraces || tracesUrl === null ? null : { ...traces, url: tracesUrl },
    metrics:
      isDisabled || !tellsMetrics || metricsUrl === null
        ? null
        : // The reader takes no timeout that is longer than its interval.
          { ...metrics, timeoutMs: Math.min(metrics.timeoutMs, metrics.intervalMs), url: metricsUrl },
  }
}

function under(base: string | null, path: string): string | null {
  return base === null ? null : `${base.replace(/\/$/, '')}/${path}`
}

function parseUrl(text: string): string {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) throw new Error('must be an http or https URL')
  return text
}

/** @returns whether OTLP is among them. */
function exporterList(known: readonly string[]): (text: string) => boolean {
  return (text) => {
    const names = text.split(',').map((name) => name.trim())
    const unknown = names.find((name) => !known.includes(name))
    if (unknown !== undefined) throw new Error(`must be some of ${known.join(', ')}, not "${unknown}"`)
    return names.includes('otlp')
  }
}

function parseRatio(text: string): number {
  const ratio = Number(text)
  if (!(ratio >= 0 && ratio <= 1)) throw new Error('must be a number from 0 to 1')
  return ratio
}

function parseAttributes(text: string): Record<string, string> {
  const pairs = text.split(',').map((pair): [string, string] => {
    const [key = '', ...value] = pair.split('=')
    if (key.trim() === '' || value.length === 0) throw new Error('must be key=value pairs with commas between')
    return [key.trim(), decoded(value.join('=').trim())]
  })
  return Object.fromEntries(pairs)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error('has a value that is not percent-encoded')
  }
}
