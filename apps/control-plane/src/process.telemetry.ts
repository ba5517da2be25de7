import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { startTelemetry, type Logger, type Telemetry, type TelemetrySettings } from '@apigate/platform'

const manifest = new URL('../package.json', import.meta.url)

/** Traces and metrics of this process by OTLP; null unless the settings ask for them. Call before anything is opened. */
export function startProcessTelemetry(
  settings: TelemetrySettings,
  name: 'api' | 'jobs',
  log: Logger,
): Promise<Telemetry | null> {
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }
  const instance = `${hostname()}-${process.pid}`
  return startTelemetry(settings, { service: `apigate-${name}`, version, instance }, log)
}
