import type { Logger } from '../logger.ts'
import type { Closeable } from '../transport/transport.ts'
import type { TelemetrySettings } from './telemetry.settings.ts'

/** Who tells. */
export interface TelemetryIdentity {
  /** `service.name` unless the settings say otherwise, e.g. `apigate-proxy`. */
  service: string
  version: string
  /** Unique among the processes of the service. */
  instance: string
}

/** What leaves the process by OTLP. Closing sends what waits, as far as the collector takes it. */
export interface Telemetry extends Closeable {
  /** From now on sends these metrics every so often: the Prometheus text of the process, which defines them. */
  exportMetrics(text: () => string | Promise<string>): void
}

/** Starts traces and metrics by OTLP; null, and nothing is loaded, when the settings ask for neither. */
export async function startTelemetry(
  settings: TelemetrySettings,
  identity: TelemetryIdentity,
  log: Logger,
): Promise<Telemetry | null> {
  if (settings.traces === null && settings.metrics === null) return null
  const { startOtlp } = await import('./otlp.ts')
  const telemetry = startOtlp(settings, identity, log)
  const { traces, metrics } = settings
  log.info({ traces: traces?.sampler ?? 'off', ratio: traces?.ratio, metricsEveryMs: metrics?.intervalMs }, 'telemetry')
  return telemetry
}
