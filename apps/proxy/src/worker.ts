import { setImmediate as immediate, setTimeout as delay } from 'node:timers/promises'
import type { LimitStore } from '@apigate/contracts'
import {
  createSealer,
  currentTracing,
  startStatusServer,
  type ConfigFeedReader,
  type FleetBus,
  type Logger,
  type ShutdownStep,
  type Telemetry,
  type UsageQueue,
} from '@apigate/platform'
import type { ProxyConfig } from './config.ts'
import { FleetSize } from './limits/fleet.size.ts'
import { LeasedLimits } from './limits/leased.limits.ts'
import type { Gateway } from './pipeline/exchange.ts'
import { KeyWatch } from './pipeline/key.watch.ts'
import { explain } from './pipeline/explain.ts'
import { TrafficServer } from './server/traffic.server.ts'
import { AccessLog } from './status/access.log.ts'
import { prometheusText } from './status/prometheus.ts'
import { StatusReporter } from './status/status.reporter.ts'
import { TrafficCounters } from './status/traffic.counters.ts'
import { ConfigSubscriber } from './tables/config.subscriber.ts'
import { LiveTables } from './tables/live.tables.ts'
import { RequestTracer } from './telemetry/request.tracer.ts'
import { unhealthyTargets } from './upstream/upstream.ts'
import { SnapshotDisk } from './tables/snapshot.disk.ts'
import { WebSocketForwarder } from './upstream/websocket.forwarder.ts'
import { openUsageSpool, startUsageShipper } from './usage/index.ts'

export interface WorkerOptions {
  config: ProxyConfig
  log: Logger
  feed: ConfigFeedReader
  bus: FleetBus
  queue: UsageQueue
  store: LimitStore
  /** Null or unset while telemetry is off. */
  telemetry?: Telemetry | null
}

export interface Worker {
  readonly proxyPort: number
  readonly statusPort: number
  /** In this order they end the worker without losing a request or an event. */
  readonly shutdownSteps: readonly ShutdownStep[]
}

const spoolSegmentBytesMax = 16 << 20

/**
 * A proxy worker, from its parts. It listens at once and is ready when it has tables. The feed, the bus, the queue and the
 * store are the caller's to open, and are closed by the last step.
 *
 * @throws when a port or the data folder cannot be used.
 */
export async function startWorker({ config, log, telemetry, feed, bus, queue, store }: WorkerOptions): Promise<Worker> {
  const sealer = createSealer(config.encryptionKey)

  // Usage: from the answer to the spool, and on to the queue until the ledger has it.
  const spool = await openUsageSpool({
    dir: config.dataDir,
    worker: config.workerId,
    segmentBytesMax: spoolSegmentBytesMax,
    diskBytesMax: config.spoolBytesMax,
    log,
  })
  const shipper = startUsageShipper({ spool, queue, log })
  const marks = await Promise.all(spool.workers.map((name) => bus.onMark(name, (mark) => spool.acknowledge(mark))))

  // Limits and tables.
  const fleet = new FleetSize(config.workerId)
  const heard = await bus.onStatus((status) => fleet.hear(status, performance.now()))
  const limits = new LeasedLimits({
    store,
    fallback: config.limitsFallback,
    workers: () => fleet.at(performance.now()),
    log,
  })
  const live = new LiveTables()
  const disk = new SnapshotDisk(config.dataDir)
  const subscriber = new ConfigSubscriber({ feed, disk, sealer, reach: config.upstreamReach, live, log })

  // Traffic.
  const counters = new TrafficCounters()
  const webSockets = new WebSocketForwarder()
  const keyWatch = new KeyWatch(live)
  live.keyWatcher = keyWatch
  const tracing = currentTracing()
  const gateway: Gateway = {
    live,
    limits,
    usage: spool,
    counters,
    webSockets,
    keyWatch,
    sendTimeoutMs: config.limits.sendTimeoutMs,
    keepAliveTimeoutMs: config.limits.keepAliveTimeoutMs,
    trustedProxies: config.trustedProxies,
    recordClientIp: config.recordClientIp,
    sendsDraftRateLimit: config.rateLimitHeaders === 'ietf',
    transformBytesMax: config.transformBytesMax,
    log,
    accessLog: config.accessLog ? new AccessLog(config.workerId) : null,
    tracer: tracing === null ? null : new RequestTracer(tracing, config.traceClients),
    isDraining: false,
    isCuttingOff: false,
  }
  const traffic = new TrafficServer({ host: config.host, port: config.proxyPort, limits: config.limits, gateway })

  // Status: to the fleet and to the operator.
  const isReady = (): boolean => live.current !== null && subscriber.isCaughtUp && !gateway.isDraining
  const reporter = new StatusReporter(bus, { worker: config.workerId, epoch: spool.epoch }, () => ({
    configEpoch: live.current?.epoch ?? null,
    revision: live.current?.revision ?? null,
    revisionAtMs: live.revisionAtMs,
    snapshot: subscriber.snapshot,
    problem: live.problem,
    ready: isReady(),
    draining: gateway.isDraining,
    inFlight: counters.inFlight,
    spoolEvents: spool.pendingEvents,
    unhealthyTargets: live.current === null ? [] : unhealthyTargets(live.current.upstreams),
  }))
  live.onChange = () => reporter.send()
  live.onHealthChange = (upstream, { url, health }) => {
    if (!health.isHealthy) counters.targetEjections += 1
    const change = { upstream: upstream.config.id, target: url.origin, reason: health.reason }
    log.warn(change, health.isHealthy ? 'a target is healthy again' : 'a target gets no requests for now')
    reporter.send()
  }
  const questions = await bus.onExplain(config.workerId, (request) => explain(gateway, config.workerId, request))
  const metrics = (): Promise<string> =>
    prometheusText({ status: reporter.status(), counters, spool, limits, webSockets: webSockets.size })
  telemetry?.exportMetrics(metrics)
  const statusServer = await startStatusServer({
    host: config.host,
    port: config.statusPort,
    readiness: async () => ({
      dependencies: {
        tables: tablesState(live, subscriber),
        config_feed: subscriber.isConnected ? 'up' : 'down',
        limits: await answers(store),
        ...(gateway.isDraining ? { worker: 'draining' } : {}),
      },
      ready: isReady(),
    }),
    metrics,
    json: { '/status': () => reporter.status() },
    log,
  })
  const proxyPort = await traffic.listen()
  void subscriber.start().catch((error: unknown) => log.error({ err: error }, 'the configuration cannot be followed'))
  log.info({ port: proxyPort, statusPort: statusServer.port, worker: config.workerId }, 'listening')

  const shutdownSteps: ShutdownStep[] = [
    {
      name: 'drain',
      async run() {
        gateway.isDraining = true
        reporter.send()
        await delay(config.drainSeconds * 1_000)
      },
    },
    {
      name: 'finish what runs',
      async run() {
        webSockets.closeAll(1001)
        const stopped = traffic.stopAccepting()
        const isDone = await Promise.race([
          stopped.then(() => true),
          delay(config.finishSeconds * 1_000, false, { ref: false }),
        ])
        if (!isDone) {
          gateway.isCuttingOff = true
          log.warn({ inFlight: counters.inFlight }, 'cutting off what still runs')
          traffic.closeAllConnections()
          webSockets.cutOffAll()
        }
        await stopped
        // A server counts a connection as closed before the exchange hears of it; its event is written a turn later.
        while (counters.inFlight > 0) await delay(5)
        await immediate()
      },
    },
    { name: 'give back what is leased', run: () => limits.close(), timeoutMs: 2_000 },
    { name: 'stop following the configuration', run: () => subscriber.close(), timeoutMs: 2_000 },
    { name: 'ship usage', run: () => shipper.close() },
    {
      name: 'close',
      timeoutMs: 5_000,
      async run() {
        await Promise.all([heard, questions, ...marks].map((subscription) => subscription.close()))
        await spool.close()
        await reporter.close()
        await statusServer.close()
        await Promise.all([feed.close(), bus.close(), queue.close()])
      },
    },
    { name: 'send telemetry', run: () => telemetry?.close() },
  ]
  return { proxyPort, statusPort: statusServer.port, shutdownSteps }
}

function tablesState(live: LiveTables, subscriber: ConfigSubscriber): string {
  if (live.current === null) return live.problem ?? 'waiting for a snapshot'
  return subscriber.isCaughtUp ? 'up' : 'waiting for newer changes'
}

/** Shown and waited for: a worker serves without. */
async function answers(store: LimitStore): Promise<string> {
  return store.ping().then(
    () => 'up',
    () => 'down',
  )
}
