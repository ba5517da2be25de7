import type { HrTime } from '@opentelemetry/api'
import { ValueType } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  DataPointType,
  type CollectionResult,
  type DataPoint,
  type Histogram,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics'
import { parsePrometheusText, type ParsedMetric, type ParsedSample } from './prometheus.parser.ts'

/**
 * Metrics for OTLP, read from the process's own Prometheus text, so that each is defined once and says the same on both ways,
 * under the same name.
 */
export class PrometheusProducer implements MetricProducer {
  readonly #startTime = hrTime(performance.timeOrigin)

  constructor(
    private readonly text: () => string | Promise<string>,
    private readonly resource: Resource,
  ) {}

  async collect(): Promise<CollectionResult> {
    const parsed = parsePrometheusText(await this.text())
    const endTime = hrTime(Date.now())
    const metrics = parsed.map((metric) => metricData(metric, this.#startTime, endTime))
    const scopeMetrics = [{ scope: { name: 'apigate' }, metrics }]
    return { resourceMetrics: { resource: this.resource, scopeMetrics }, errors: [] }
  }
}

function metricData({ name, help, type, samples }: ParsedMetric, startTime: HrTime, endTime: HrTime): MetricData {
  const base = {
    descriptor: { name, description: help, unit: unitOf(name), valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  }
  const point = <T>(attributes: Record<string, string>, value: T): DataPoint<T> => ({
    ...{ startTime, endTime, attributes, value },
  })
  if (type === 'histogram') {
    const dataPoints = histograms(name, samples).map(({ labels, histogram }) => point(labels, histogram))
    return { ...base, dataPointType: DataPointType.HISTOGRAM, dataPoints }
  }
  const dataPoints = samples.map(({ labels, value }) => point(labels, value))
  if (type === 'counter') return { ...base, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
  return { ...base, dataPointType: DataPointType.GAUGE, dataPoints }
}

/** Of the units of docs/metrics.md, as UCUM says them. */
function unitOf(name: string): string {
  const unit = name.replace(/_total$/, '')
  return unit.endsWith('_seconds') ? 's' : unit.endsWith('_bytes') ? 'By' : ''
}

interface LabelledHistogram {
  labels: Record<string, string>
  histogram: Histogram
}

/** Puts `_bucket`, `_sum` and `_count` of each set of labels together. */
function histograms(name: string, samples: readonly ParsedSample[]): LabelledHistogram[] {
  const found = new Map<string, LabelledHistogram & { below: number }>()
  for (const { name: of, labels: all, value } of samples) {
    const { le, ...labels } = all
    const key = JSON.stringify(labels)
    let entry = found.get(key)
    if (entry === undefined) {
      entry = { labels, histogram: { buckets: { boundaries: [], counts: [] }, count: 0, sum: 0 }, below: 0 }
      found.set(key, entry)
    }
    const { histogram } = entry
    if (of === `${name}_sum`) histogram.sum = value
    else if (of === `${name}_count`) histogram.count = value
    else {
      // Prometheus counts all that are smaller, too.
      histogram.buckets.counts.push(value - entry.below)
      entry.below = value
      if (le !== '+Inf') histogram.buckets.boundaries.push(Number(le))
    }
  }
  return [...found.values()]
}

function hrTime(ms: number): HrTime {
  return [Math.floor(ms / 1_000), Math.round((ms % 1_000) * 1e6)]
}
