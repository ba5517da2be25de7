import {
  createLogger,
  openConfigFeedReader,
  openFleetBus,
  openLedgerUnits,
  openLimitStore,
  openUsageQueue,
  SettingsError,
  shutdownOnSignal,
  startTelemetry,
  type LedgerUnits,
} from '@apigate/platform'
import { loadConfig } from './config.ts'
import { MemoryLimitStore } from './limits/memory.store.ts'
import { version } from './status/status.reporter.ts'
import { startWorker } from './worker.ts'

try {
  const config = loadConfig()
  const log = createLogger({ name: 'proxy', level: config.logLevel })
  // First: what is opened next is traced, too.
  const identity = { service: 'apigate-proxy', version, instance: config.workerId }
  const telemetry = await startTelemetry(config.telemetry, identity, log)
  const feed = openConfigFeedReader(config, log)
  const bus = openFleetBus(config, log)
  const queue = openUsageQueue(config, log)
  const store = openLimitStore(config, log, config.limitsTimeoutMs) ?? inMemory(openLedgerUnits(config))
  const worker = await startWorker({ config, log, telemetry, feed, bus, queue, store })
  shutdownOnSignal(log, worker.shutdownSteps)
} catch (error) {
  // Before there is a logger, and for a person: a setting, a taken port, a folder that cannot be written.
  const text = error instanceof SettingsError ? error.message : `the proxy cannot start: ${String(error)}`
  process.stderr.write(`${text}\n`)
  process.exit(1)
}

function inMemory(ledger: LedgerUnits): MemoryLimitStore {
  return new MemoryLimitStore(
    (periods) => ledger.read(periods),
    () => ledger.close(),
  )
}
