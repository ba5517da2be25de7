import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { LimitStore, UsageEvent, WorkerStatus } from '@apigate/contracts'
import type { ConfigItem, ConfigKind, GroupConfig, PlanConfig, RouteConfig, UpstreamConfig } from '@apigate/core'
import { createLogger, type FleetBus, type UsageQueue } from '@apigate/platform'
import { aKey, anUpstream, aPlan, aRoute, aUser, usageEventsIn, waitFor } from '@apigate/testing'
import { loadConfig, type ProxyConfig } from '../src/config.ts'
import { startWorker, type Worker } from '../src/worker.ts'
import { FakeFeed } from './feed.fake.ts'
import { memoryStore } from './limits.fixture.ts'

export const encryptionKey = randomBytes(32).toString('base64')

export function put(kind: ConfigKind, value: { id: string }): ConfigItem {
  return { kind, op: 'put', value } as ConfigItem
}

export interface Customer {
  items: ConfigItem[]
  key: ReturnType<typeof aKey>
  plan: PlanConfig
  userId: string
}

/** A plan, a user and a key. */
export function aCustomer(plan: Partial<PlanConfig> = {}): Customer {
  const ofPlan = aPlan(plan)
  const user = aUser({ planId: ofPlan.id })
  const key = aKey({ userId: user.id })
  return { items: [put('plan', ofPlan), put('user', user), put('key', key.config)], key, plan: ofPlan, userId: user.id }
}

/** An upstream and a route to it. */
export function aRouteTo(url: string, route: Partial<RouteConfig> = {}, upstream: Partial<UpstreamConfig> = {}) {
  const to = anUpstream({ baseUrl: url, ...upstream })
  const from = aRoute({ upstreamId: to.id, ...route })
  return { items: [put('upstream', to), put('route', from)], route: from, upstream: to }
}

export type { GroupConfig }

export interface TestWorker {
  readonly url: string
  readonly port: number
  readonly statusUrl: string
  readonly dataDir: string
  readonly feed: FakeFeed
  readonly worker: Worker
  /** Events that the queue was given, in order. */
  readonly events: UsageEvent[]
  readonly statuses: WorkerStatus[]
  /** The first event of this request id. */
  event(requestId: string): Promise<UsageEvent>
  stop(): Promise<void>
}

export interface TestWorkerOptions {
  items?: ConfigItem[]
  feed?: FakeFeed
  dataDir?: string
  config?: Partial<ProxyConfig>
  store?: LimitStore
}

/** A whole worker in this process, with a feed, a bus and a queue in memory. */
export async function startTestWorker(options: TestWorkerOptions = {}): Promise<TestWorker> {
  const dataDir = options.dataDir ?? mkdtempSync(path.join(tmpdir(), 'apigate-proxy-'))
  const feed = options.feed ?? new FakeFeed()
  if (options.items) feed.putSnapshot(options.items)
  const events: UsageEvent[] = []
  const statuses: WorkerStatus[] = []
  const base = loadConfig({
    APIGATE_PROXY_PORT: '0',
    APIGATE_STATUS_PORT: '0',
    APIGATE_DATA_DIR: dataDir,
    APIGATE_WORKER_ID: 'test',
    APIGATE_DRAIN_SECONDS: '0',
    APIGATE_ENCRYPTION_KEY: encryptionKey,
    DATABASE_URL: 'postgresql://unused',
    LOG_LEVEL: 'silent',
  })
  const config = { ...base, proxyPort: 0, statusPort: 0, ...options.config }
  const log = createLogger({ name: 'proxy', level: config.logLevel })
  const worker = await startWorker({
    config,
    log,
    feed,
    bus: fakeBus(statuses),
    queue: fakeQueue(events),
    store: options.store ?? memoryStore(),
  })
  if (options.items) {
    await waitFor(() => statuses.some((status) => status.ready), { what: 'a ready worker' })
    await waitFor(() => feed.follows.length > 0, { what: 'a worker that follows the feed' })
  }

  return {
    url: `http://127.0.0.1:${worker.proxyPort}`,
    port: worker.proxyPort,
    statusUrl: `http://127.0.0.1:${worker.statusPort}`,
    dataDir,
    feed,
    worker,
    events,
    statuses,
    event: (requestId) =>
      waitFor(() => events.find((event) => event.request_id === requestId), { what: `the event of ${requestId}` }),
    async stop() {
      for (const step of worker.shutdownSteps) await step.run()
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

function fakeBus(statuses: WorkerStatus[]): FleetBus {
  return {
    isConnected: true,
    sendStatus: (status) => void statuses.push(status),
    onStatus: () => Promise.resolve({ close: done }),
    sendMark: () => {},
    onMark: () => Promise.resolve({ close: done }),
    askToExplain: () => Promise.reject(new Error('nobody is there')),
    onExplain: () => Promise.resolve({ close: done }),
    close: done,
  }
}

function fakeQueue(events: UsageEvent[]): UsageQueue {
  return {
    add(batch) {
      events.push(...usageEventsIn(batch))
      return Promise.resolve()
    },
    close: done,
  }
}

function done(): Promise<void> {
  return Promise.resolve()
}

export interface RawConnection {
  readonly socket: Socket
  /** Everything received so far. */
  text(): string
  write(text: string | Uint8Array): void
  /** Waits until what was received holds the text. */
  until(part: string): Promise<string>
  /** Waits for the other side to close, and gives everything. */
  closed(): Promise<string>
}

/** A client that writes bytes as it likes. */
export async function rawConnection(port: number): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let received = ''
  let isClosed = false
  socket.on('data', (chunk) => (received += chunk.toString('latin1')))
  socket.on('error', () => {})
  socket.on('close', () => (isClosed = true))
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  return {
    socket,
    text: () => received,
    write: (text) => void socket.write(text),
    until: (part) => waitFor(() => (received.includes(part) ? received : null), { what: JSON.stringify(part) }),
    closed: async () => {
      await waitFor(() => isClosed, { what: 'a closed connection' })
      return received
    },
  }
}
