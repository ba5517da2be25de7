import * as api from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes, type Resource } from '@opentelemetry/resources'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  RandomIdGenerator,
  SamplingDecision,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type Sampler,
} from '@opentelemetry/sdk-trace'
import type { Logger } from '../logger.ts'
import { throttled, within } from '../transport/retry.ts'
import { PrometheusProducer } from './prometheus.producer.ts'
import type { Telemetry, TelemetryIdentity } from './telemetry.ts'
import type { MetricSettings, TelemetrySettings, TraceSettings } from './telemetry.settings.ts'
import type { TraceParent } from './trace-context.ts'
import { setTracing, type EndedSpan, type OpenSpan, type SpanKind, type SpanOptions, type Tracing } from './tracing.ts'

const closeMsMax = 3_000

function ignore(): void {}

/** The only module that loads OpenTelemetry's SDK: imported when telemetry is on, and not before. */
export function startOtlp(settings: TelemetrySettings, identity: TelemetryIdentity, log: Logger): Telemetry {
  const warn = throttled(log, 'warn', 'telemetry cannot be exported; what does not fit into its queue is dropped')
  const diagnostics = { error: warn, warn, info: ignore, debug: ignore, verbose: ignore }
  api.diag.setLogger(diagnostics, { logLevel: api.DiagLogLevel.WARN, suppressOverrideMessage: true })
  const resource = resourceFromAttributes({
    'service.name': settings.serviceName ?? identity.service,
    'service.namespace': 'apigate',
    'service.version': identity.version,
    'service.instance.id': identity.instance,
    ...settings.resourceAttributes,
    // It wins over OTEL_RESOURCE_ATTRIBUTES, says the standard.
    ...(settings.serviceName !== null && { 'service.name': settings.serviceName }),
  })
  const traces = settings.traces === null ? null : new OtlpTraces(settings.traces, resource, identity.version)
  setTracing(traces)
  let meters: MeterProvider | null = null
  return {
    exportMetrics(text) {
      if (settings.metrics !== null) meters ??= startMetrics(settings.metrics, resource, text)
    },
    async close() {
      setTracing(null)
      api.context.disable()
      const sent = Promise.allSettled([traces?.shutdown(), meters?.shutdown()])
      // A collector that is away must not keep a process from its end.
      await within(closeMsMax, sent, 'the collector took too long').catch(warn)
    },
  }
}

function startMetrics(
  { url, intervalMs, timeoutMs }: MetricSettings,
  resource: Resource,
  text: () => string | Promise<string>,
): MeterProvider {
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter({ url }),
    exportIntervalMillis: intervalMs,
    exportTimeoutMillis: timeoutMs,
    metricProducers: [new PrometheusProducer(text, resource)],
  })
  return new MeterProvider({ resource, readers: [reader] })
}

const kinds: Record<SpanKind, api.SpanKind> = {
  internal: api.SpanKind.INTERNAL,
  server: api.SpanKind.SERVER,
  client: api.SpanKind.CLIENT,
  producer: api.SpanKind.PRODUCER,
  consumer: api.SpanKind.CONSUMER,
}

class OtlpTraces implements Tracing {
  readonly #ids = new RandomIdGenerator()
  readonly #isParentBased: boolean
  readonly #rootShare: number
  readonly #sampler: Sampler
  readonly #scope: { name: string; version: string }
  readonly #processor: BatchSpanProcessor
  readonly #provider: TracerProvider
  readonly #tracer: api.Tracer

  constructor(
    settings: TraceSettings,
    private readonly resource: Resource,
    version: string,
  ) {
    this.#isParentBased = settings.sampler.startsWith('parentbased_')
    this.#rootShare = rootShare(settings)
    this.#sampler = samplerOf(settings)
    this.#scope = { name: 'apigate', version }
    this.#processor = new BatchSpanProcessor({
      exporter: new OTLPTraceExporter({ url: settings.url }),
      maxQueueSize: settings.queueSpansMax,
      maxExportBatchSize: Math.min(settings.batchSpansMax, settings.queueSpansMax),
      scheduledDelayMillis: settings.batchDelayMs,
      exportTimeoutMillis: settings.batchTimeoutMs,
    })
    this.#provider = new TracerProvider({
      resource,
      sampler: this.#sampler,
      idGenerator: this.#ids,
      spanProcessors: [this.#processor],
      spanLimits: { attributeValueLengthLimit: 4_096 },
    })
    this.#tracer = this.#provider.getTracer(this.#scope.name, version)
    api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  }

  start(name: string, { kind, attributes = {}, parent }: SpanOptions): OpenSpan {
    const context = parent === undefined ? api.context.active() : contextOf(parent)
    const span = this.#tracer.startSpan(name, { kind: kinds[kind], attributes: { ...attributes } }, context)
    return {
      position: positionOf(span.spanContext()),
      run: (work) => api.context.with(api.trace.setSpan(context, span), work),
      set: (more) => void span.setAttributes({ ...more }),
      fail(type) {
        span.setAttribute('error.type', type)
        span.setStatus({ code: api.SpanStatusCode.ERROR })
      },
      end: () => span.end(),
    }
  }

  active(): TraceParent | null {
    const context = api.trace.getSpanContext(api.context.active())
    return context === undefined ? null : positionOf(context)
  }

  samples(parent: TraceParent | null): boolean {
    if (parent === null) return Math.random() < this.#rootShare
    if (this.#isParentBased) return parent.isSampled
    // By the trace's id, as everyone with the same share does.
    const { decision } = this.#sampler.shouldSample(api.ROOT_CONTEXT, parent.traceId, '', api.SpanKind.SERVER, {}, [])
    return decision === SamplingDecision.RECORD_AND_SAMPLED
  }

  newTraceId(): string {
    return this.#ids.generateTraceId()
  }

  newSpanId(): string {
    return this.#ids.generateSpanId()
  }

  ended(span: EndedSpan): void {
    const { traceId, spanId, parentSpanId } = span
    const traceFlags = api.TraceFlags.SAMPLED
    const context: api.SpanContext = { traceId, spanId, traceFlags }
    this.#processor.onEnd({
      name: span.name,
      kind: kinds[span.kind],
      spanContext: () => context,
      ...(parentSpanId !== null && {
        parentSpanContext: { traceId, spanId: parentSpanId, traceFlags, isRemote: span.isParentRemote },
      }),
      startTime: hrTime(span.startMs),
      endTime: hrTime(span.endMs),
      duration: hrTime(span.endMs - span.startMs),
      status: { code: span.error === null ? api.SpanStatusCode.UNSET : api.SpanStatusCode.ERROR },
      attributes: span.error === null ? span.attributes : { ...span.attributes, 'error.type': span.error },
      ...{ links: [], events: [], ended: true, resource: this.resource, instrumentationScope: this.#scope },
      ...{ droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 },
    })
  }

  shutdown(): Promise<void> {
    return this.#provider.shutdown()
  }
}

function rootShare({ sampler, ratio }: TraceSettings): number {
  if (sampler.endsWith('traceidratio')) return ratio
  return sampler.endsWith('always_on') ? 1 : 0
}

function samplerOf(settings: TraceSettings): Sampler {
  const share = rootShare(settings)
  const root =
    share === 1 ? new AlwaysOnSampler() : share === 0 ? new AlwaysOffSampler() : new TraceIdRatioBasedSampler(share)
  return settings.sampler.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root
}

function contextOf(parent: TraceParent | null): api.Context {
  if (parent === null) return api.ROOT_CONTEXT
  const { traceId, spanId, isSampled } = parent
  const traceFlags = isSampled ? api.TraceFlags.SAMPLED : api.TraceFlags.NONE
  return api.trace.setSpanContext(api.ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
}

function positionOf({ traceId, spanId, traceFlags }: api.SpanContext): TraceParent {
  return { traceId, spanId, isSampled: (traceFlags & api.TraceFlags.SAMPLED) !== 0 }
}

function hrTime(ms: number): api.HrTime {
  const seconds = Math.floor(ms / 1_000)
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)]
}
