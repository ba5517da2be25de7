import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ConfigItem } from '@apigate/core'
import { createLogger, createSealer } from '@apigate/platform'
import { Exchange, type Gateway } from '../src/pipeline/exchange.ts'
import { KeyWatch } from '../src/pipeline/key.watch.ts'
import { TrafficCounters } from '../src/status/traffic.counters.ts'
import { ConfigState } from '../src/tables/config.state.ts'
import { TrustedProxies } from '../src/trusted-proxies.ts'
import { WebSocketForwarder } from '../src/upstream/websocket.forwarder.ts'
import type { UsageEventDraft } from '../src/usage/index.ts'
import { memoryLimits } from './limits.fixture.ts'
import { encryptionKey } from './worker.fixture.ts'

export interface TestGateway extends Gateway {
  readonly events: UsageEventDraft[]
}

/** What the stages work with, on tables made of these items; null = no tables yet. */
export function aGateway(items: readonly ConfigItem[] | null): TestGateway {
  const state = new ConfigState('epoch-1', new Map(), createSealer(encryptionKey))
  for (const item of items ?? []) state.apply(item)
  state.compile()
  if (state.problem !== null) throw new Error(state.problem)
  const events: UsageEventDraft[] = []
  return {
    events,
    live: { current: items === null ? null : state.tables(1) },
    limits: memoryLimits(),
    usage: { record: (event) => void events.push(event) },
    counters: new TrafficCounters(),
    webSockets: new WebSocketForwarder(),
    keyWatch: new KeyWatch({ current: null }),
    sendTimeoutMs: 60_000,
    keepAliveTimeoutMs: 75_000,
    trustedProxies: new TrustedProxies([]),
    recordClientIp: true,
    sendsDraftRateLimit: false,
    transformBytesMax: 1_000_000,
    log: createLogger({ name: 'test', level: 'silent' }),
    accessLog: null,
    tracer: null,
    isDraining: false,
    isCuttingOff: false,
  }
}

export interface TestRequest {
  method?: string
  url?: string
  headers?: Record<string, string>
  upgradeHead?: Buffer
}

/** An exchange as the server makes it, without a server. */
export function anExchange(
  gateway: Gateway,
  { method = 'GET', url = '/', headers = {}, upgradeHead }: TestRequest = {},
) {
  const request = {
    method,
    url,
    headers: { host: 'api.example', ...headers },
    rawHeaders: Object.entries({ host: 'api.example', ...headers }).flat(),
    socket: { destroyed: false },
  } as unknown as IncomingMessage
  const connection = { address: '203.0.113.5', isTrusted: false, newest: null, waiting: null, broken: null }
  const response = {} as unknown as ServerResponse
  const exchange = new Exchange(gateway, connection, request, response, 'request-1', upgradeHead ?? null)
  exchange.authority = request.headers.host ?? ''
  return exchange
}
