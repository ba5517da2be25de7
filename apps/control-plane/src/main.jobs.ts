import 'reflect-metadata'
import { createLogger, SettingsError, shutdownOnSignal, startStatusServer } from '@apigate/platform'
import { NestFactory } from '@nestjs/core'
import { loadConfig } from './config.ts'
import { JobsModule } from './jobs.module.ts'
import { JobsStatus } from './jobs.status.ts'
import { nestLogger } from './nest.logger.ts'
import { startProcessTelemetry } from './process.telemetry.ts'

try {
  const config = loadConfig()
  const log = createLogger({ name: 'jobs', level: config.logLevel })
  const telemetry = await startProcessTelemetry(config.telemetry, 'jobs', log)
  const app = await NestFactory.createApplicationContext(JobsModule.provide(config, log), {
    logger: nestLogger(log),
    abortOnError: false,
  })
  const status = app.get(JobsStatus)
  telemetry?.exportMetrics(() => status.metrics())
  const server = await startStatusServer({
    host: config.host,
    port: config.jobsStatusPort,
    readiness: () => status.readiness(),
    metrics: () => status.metrics(),
    json: { '/status': () => status.status() },
    log,
  })
  log.info({ port: server.port }, 'working')
  shutdownOnSignal(log, [
    { name: 'show that it ends', run: () => status.drain() },
    { name: 'finish jobs and close connections', run: () => app.close(), timeoutMs: 12_000 },
    { name: 'close the status server', run: () => server.close() },
    { name: 'send telemetry', run: () => telemetry?.close() },
  ])
} catch (error) {
  // For a person, and maybe before there is a logger: a bad setting, a taken port.
  const text = error instanceof SettingsError ? error.message : `the jobs process cannot start: ${String(error)}`
  process.stderr.write(`${text}\n`)
  process.exit(1)
}
