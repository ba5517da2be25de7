import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ConfigItem } from '@apigate/core'
import { createLogger, createSealer } from '@apigate/platform'
import { loadConfig, type ProxyConfig } from '../src/config.ts'
import { memoryLimits } from './limits.fixture.ts'
import type { Gateway } from '../src/pipeline/exchange.ts'
import { KeyWatch } from '../src/pipeline/key.watch.ts'
import { TrafficServer } from '../src/server/traffic.server.ts'
import { TrafficCounters } from '../src/status/traffic.counters.ts'
import { ConfigState } from '../src/tables/config.state.ts'
import { LiveTables } from '../src/tables/live.tables.ts'
import { WebSocketForwarder } from '../src/upstream/websocket.forwarder.ts'
import type { UsageEventDraft } from '../src/usage/index.ts'
import { encryptionKey } from './worker.fixture.ts'

export interface TestTraffic {
  readonly url: string
  readonly port: number
  readonly gateway: Gateway
  readonly webSockets: WebSocketForwarder
  readonly live: LiveTables
  /** Events so far, in order. */
  readonly events: UsageEventDraft[]
  /** From now on events are not written until `writeHeld`. */
  holdEvents(): void
  writeHeld(): void
  apply(...items: ConfigItem[]): void
  stop(): Promise<void>
}

/** The traffic server on tables made of these items, with a usage recorder that can be told to wait. */
export async function startTestTraffic(
  items: readonly ConfigItem[],
  options: Partial<ProxyConfig> = {},
  parts: Partial<Gateway> = {},
): Promise<TestTraffic> {
  const config = {
    ...loadConfig({
      APIGATE_DATA_DIR: mkdtempSync(path.join(tmpdir(), 'apigate-traffic-')),
      APIGATE_ENCRYPTION_KEY: encryptionKey,
      DATABASE_URL: 'postgresql://unused',
    }),
    ...options,
  }
  const live = new LiveTables()
  const state = new ConfigState('epoch-1', new Map(), createSealer(encryptionKey), config.upstreamReach)
  const apply = (...changes: readonly ConfigItem[]): void => {
    for (const item of changes) state.apply(item)
    state.compile()
    live.swap(state.tables((live.current?.revision ?? 0) + 1), state.problem)
    if (state.problem !== null) throw new Error(state.problem)
  }
  apply(...items)
  state.listener = live

  const events: UsageEventDraft[] = []
  let held: (() => void)[] | null = null
  const webSockets = new WebSocketForwarder()
  const keyWatch = new KeyWatch(live)
  live.keyWatcher = keyWatch
  const gateway: Gateway = {
    live,
    limits: memoryLimits(),
    usage: {
      record(event, written) {
        events.push(event)
        if (held === null) setImmediate(written)
        else held.push(written)
      },
    },
    counters: new TrafficCounters(),
    webSockets,
    keyWatch,
    sendTimeoutMs: config.limits.sendTimeoutMs,
    keepAliveTimeoutMs: config.limits.keepAliveTimeoutMs,
    trustedProxies: config.trustedProxies,
    recordClientIp: config.recordClientIp,
    sendsDraftRateLimit: false,
    transformBytesMax: config.transformBytesMax,
    log: createLogger({ name: 'proxy', level: 'silent' }),
    accessLog: null,
    tracer: null,
    isDraining: false,
    isCuttingOff: false,
    ...parts,
  }
  const server = new TrafficServer({ host: '127.0.0.1', port: 0, limits: config.limits, gateway })
  const port = await server.listen()

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    gateway,
    webSockets,
    live,
    events,
    holdEvents: () => (held = []),
    writeHeld() {
      const writes = held ?? []
      held = null
      for (const written of writes) written()
    },
    apply,
    async stop() {
      const stopped = server.stopAccepting()
      server.closeAllConnections()
      webSockets.cutOffAll()
      await stopped
    },
  }
}
