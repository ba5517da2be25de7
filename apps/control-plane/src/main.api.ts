import { setTimeout as delay } from 'node:timers/promises'
import { createLogger, RouteTraffic, SettingsError, shutdownOnSignal, type Logger } from '@apigate/platform'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
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
    { name: 'finish requests', run: () => finishRequests(app, config.finishSeconds, log) },
    { name: 'close connections', run: () => app.close(), timeoutMs: 5_000 },
    { name: 'send telemetry', run: () => telemetry?.close() },
  ])
} catch (error) {
  // For a person, and maybe before there is a logger: a bad setting, a taken port.
  const text = error instanceof SettingsError ? error.message : `the API cannot start: ${String(error)}`
  process.stderr.write(`${text}\n`)
  process.exit(1)
}

/** Takes no connection any more; what runs for longer is cut off: a client may never finish its request. */
async function finishRequests(app: NestFastifyApplication, seconds: number, log: Logger): Promise<void> {
  const closed = app.getHttpAdapter().close()
  const timer = setTimeout(() => {
    log.warn('cutting off what still runs')
    app.getHttpServer().closeAllConnections()
  }, seconds * 1_000)
  await closed
  clearTimeout(timer)
}
