import { expect, test } from 'vitest'
import { EnvReader } from '../env.ts'
import { readTelemetry, type TelemetrySettings } from './telemetry.settings.ts'

function read(env: Record<string, string>): TelemetrySettings {
  const reader = new EnvReader(env)
  const settings = readTelemetry(reader)
  reader.done()
  return settings
}

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/base/' }

test('nothing is told without an endpoint, and nothing when it is disabled', () => {
  expect(read({ OTEL_TRACES_SAMPLER: 'always_on' })).toMatchObject({ traces: null, metrics: null })
  expect(read({ ...endpoint, OTEL_SDK_DISABLED: 'true' })).toMatchObject({ traces: null, metrics: null })
})

test('one endpoint serves both signals; each may have its own, as it is', () => {
  expect(read(endpoint)).toMatchObject({
    traces: { url: 'http://collector:4318/base/v1/traces', sampler: 'parentbased_always_on', ratio: 1 },
    metrics: { url: 'http://collector:4318/base/v1/metrics', intervalMs: 60_000, timeoutMs: 30_000 },
  })
  const own = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces/in' }
  expect(read({ ...endpoint, ...own }).traces?.url).toBe('https://traces/in')
  expect(read(own)).toMatchObject({ traces: { url: 'https://traces/in' }, metrics: null })
})

test('a signal is left out by its exporter', () => {
  expect(read({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' })).toMatchObject({ traces: null, metrics: {} })
  expect(read({ ...endpoint, OTEL_METRICS_EXPORTER: 'none' })).toMatchObject({ traces: {}, metrics: null })
  expect(read({ ...endpoint, OTEL_METRICS_EXPORTER: 'prometheus' }).metrics).toBeNull()
  expect(read({ ...endpoint, OTEL_METRICS_EXPORTER: 'otlp, prometheus' }).metrics).not.toBeNull()
})

test('sampler, service and resource are the standard’s', () => {
  const sampler = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.01' }
  expect(read({ ...endpoint, ...sampler }).traces).toMatchObject({ sampler: 'parentbased_traceidratio', ratio: 0.01 })
  const resource = { OTEL_SERVICE_NAME: 'edge', OTEL_RESOURCE_ATTRIBUTES: 'a=1, deployment.environment=a%2Cb=c' }
  expect(read(resource)).toMatchObject({
    serviceName: 'edge',
    resourceAttributes: { a: '1', 'deployment.environment': 'a,b=c' },
  })
})

test.each([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https URL'],
  [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'OTEL_EXPORTER_OTLP_PROTOCOL must be one of http/protobuf, not "grpc"'],
  [{ OTEL_TRACES_EXPORTER: 'zipkin' }, 'OTEL_TRACES_EXPORTER must be some of otlp, none, not "zipkin"'],
  [{ OTEL_TRACES_SAMPLER: 'xray' }, 'OTEL_TRACES_SAMPLER must be one of'],
  [{ OTEL_TRACES_SAMPLER_ARG: '1%' }, 'OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1'],
  [{ OTEL_RESOURCE_ATTRIBUTES: 'a' }, 'OTEL_RESOURCE_ATTRIBUTES must be key=value pairs'],
  [{ OTEL_RESOURCE_ATTRIBUTES: 'a=%' }, 'OTEL_RESOURCE_ATTRIBUTES has a value that is not percent-encoded'],
  [{ OTEL_METRIC_EXPORT_INTERVAL: '1s' }, 'OTEL_METRIC_EXPORT_INTERVAL must be a whole number'],
])('%j is refused at start', (env: Record<string, string>, problem) => {
  expect(() => read(env)).toThrow(problem)
})
