import { setTimeout as delay } from 'node:timers/promises'
import { createLogger, RouteTraffic, SettingsError, shutdownOnSignal } from '@apigate/platform'
import { createApiApp } from './api.app.ts'
import { loadConfig } from './config.ts'
import { ReadinessCheck } from './health/index.ts'
import { apiMetrics } from './metrics/index.ts'
import { startProcessTelemetry } from './process.telemetry.ts'

try {
  const config = loadConfig()
  const log = createLogger({ name: 'api', level: config.logLevel })
  const telemetry = await startProcessTelemetry(config.telemetry, 'api', log)
  const app = await createApiApp(config, log)
  telemetry?.exportMetrics(() => apiMetrics(app.get(RouteTraffic)))
  await app.listen(config.adminPort, config.host)
  log.info({ url: await app.getUrl() }, 'listening')
  shutdownOnSignal(log, [
    { name: 'tell balancers', run: () => app.get(ReadinessCheck).drain() },
    { name: 'serve on until they noticed', run: () => delay(config.drainSeconds * 1_000) },
    // Nest closes the modules before the server; requests that still run need them.
    { name: 'finish requests', run: () => app.getHttpAdapter().close() },
    { name: 'close connections', run: () => app.close(), timeoutMs: 5_000 },
    { name: 'send telemetry', run: () => telemetry?.close() },
  ])
} catch (error) {
  // For a person, and maybe before there is a logger: a bad setting, a taken port.
  const text = error instanceof SettingsError ? error.message : `the API cannot start: ${String(error)}`
  process.stderr.write(`${text}\n`)
  process.exit(1)
}
