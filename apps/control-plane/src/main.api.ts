import { setTimeout as delay } from 'node:timers/promises'
import { createLogger, shutdownOnSignal } from '@apigate/platform'
import { createApiApp } from './api.app.ts'
import { loadConfig } from './config.ts'
import { ReadinessCheck } from './health/index.ts'

const config = loadConfig()
const log = createLogger({ name: 'api', level: config.logLevel })
const app = await createApiApp(config, log)

shutdownOnSignal(log, [
  { name: 'tell balancers', run: () => app.get(ReadinessCheck).drain() },
  { name: 'serve on until they noticed', run: () => delay(config.drainSeconds * 1_000) },
  // Nest closes the modules before the server; requests that still run need them.
  { name: 'finish requests', run: () => app.getHttpAdapter().close() },
  { name: 'close connections', run: () => app.close() },
])

await app.listen(config.adminPort, config.host)
log.info({ url: await app.getUrl() }, 'listening')
