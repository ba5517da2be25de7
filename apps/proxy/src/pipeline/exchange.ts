import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { PlanConfig, RouteConfig, RouteMatch, TransformPart } from '@apigate/core'
import type { ErrorCode } from '@apigate/errors'
import { parseTraceparent, type Logger } from '@apigate/platform'
import type { BucketLevel, Limits, QuotaReservation } from '../limits/limits.ts'
import type { ClientConnection } from '../server/client-connection.ts'
import type { AccessLog } from '../status/access.log.ts'
import type { TrafficCounters } from '../status/traffic.counters.ts'
import type { Owner } from '../tables/owner.table.ts'
import type { Tables } from '../tables/tables.ts'
import type { RequestTrace, RequestTracer } from '../telemetry/request.tracer.ts'
import type { TrustedProxies } from '../trusted-proxies.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { WebSocketForwarder } from '../upstream/websocket.forwarder.ts'
import type { KeyWatch } from './key.watch.ts'
import type { UsageRecorder } from '../usage/index.ts'
import type { ExchangeVariables } from './exchange-variables.ts'
import type { KeptForMetering } from './kept-for-metering.ts'

/** What the stages work with: one for the whole worker. */
export interface Gateway {
  readonly live: { readonly current: Tables | null }
  readonly limits: Limits
  readonly usage: UsageRecorder
  readonly counters: TrafficCounters
  readonly webSockets: WebSocketForwarder
  readonly keyWatch: KeyWatch
  /** How long a client may take nothing of what is there for it. */
  readonly sendTimeoutMs: number
  /** How long a connection without a request is kept. */
  readonly keepAliveTimeoutMs: number
  readonly trustedProxies: TrustedProxies
  readonly recordClientIp: boolean
  /** `RateLimit` and `RateLimit-Policy` beside `X-RateLimit-*`. */
  readonly sendsDraftRateLimit: boolean
  /** Of a JSON body that is transformed. */
  readonly transformBytesMax: number
  readonly log: Logger
  /** Null unless it is asked for. */
  readonly accessLog: AccessLog | null
  /** Null while traces are off. */
  readonly tracer: RequestTracer | null
  /** Answers ask clients to go elsewhere. */
  isDraining: boolean
  /** What runs is being cut off, because the worker must end. */
  isCuttingOff: boolean
}

/** What runs at the upstream for an exchange. */
export interface UpstreamWork {
  /** The client went away: records what was used until now, and ends the work. */
  abandon(): void
  /** Ends the work; nothing of it is looked at any more. */
  abort(): void
}

/** Sums over the events of one exchange, and until when they go. */
export interface RecordedUsage {
  units: number
  requestBytes: number
  responseBytes: number
  /** Unix and monotonic ms. */
  untilMs: number
  untilMonotonicMs: number
}

/** One request and its answer: what each stage learned, for the stages after it. */
export class Exchange {
  readonly gateway: Gateway
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Kept apart: those of an upgrade are replaced on their way to the upstream. */
  readonly clientHeaders: IncomingHttpHeaders
  readonly socket: Socket
  readonly connection: ClientConnection
  /** The bytes behind the head of an upgrade request; null for every other request. */
  readonly upgradeHead: Buffer | null
  /** Unix ms. */
  readonly receivedAtMs: number
  /** Monotonic ms. */
  readonly startedAtMs: number
  readonly requestId: string
  /** The tables that this request keeps. */
  readonly tables: Tables | null
  /** Null unless it is sampled. */
  trace: RequestTrace | null = null
  /** Of one that is not sampled: in place of the client's, empty for none; null: the client's goes on. */
  ownTraceparent: string | null = null
  /** The client waits for "100 Continue" before it sends the body. */
  awaitsContinue = false

  // What the client asks for, normalised once.
  method: string
  /** As it came. */
  authority = ''
  host = ''
  path = ''
  query = ''

  // match route
  match: RouteMatch | null = null
  route: RouteConfig | null = null
  upstream: Upstream | null = null

  // authenticate, check owner
  keySlot = -1
  keyId: string | null = null
  isKeyInAuthorization = false
  owner: Owner | null = null
  plan: PlanConfig | null = null

  // reserve quota, take rate token
  quota: QuotaReservation | null = null
  token: BucketLevel | null = null

  // transform request
  variables: ExchangeVariables | null = null
  /** What the route's transform does with this request; null without one. */
  requestChanges: readonly TransformPart[] | null = null
  /** The query for the upstream; null = the client's. */
  upstreamQuery: string | null = null
  /** Of a client's body that had to be read first: as it came, and what goes on in its place. */
  receivedBody: Buffer | null = null
  sentBody: Buffer | null = null
  isBodyChanged = false

  // rewrite
  upstreamMethod = ''
  upstreamPath = ''
  upstreamHeaders: string[] = []

  // forward
  /** The upstream was asked: from here on its answer is metered. */
  isForwarded = false
  /** The work at the upstream; null while there is none. */
  call: UpstreamWork | null = null
  /** What the route's meter reads; null when its mode says it all. */
  kept: KeptForMetering | null = null
  requestBytes = 0
  responseBytes = 0

  // meter, record
  /** Of the answer; 0 until there is one. */
  status = 0
  /** The gateway answered, not the upstream. */
  isOwnAnswer = false
  errorCode: ErrorCode | null = null
  units = 0
  /** Of a WebSocket. */
  messagesIn = 0
  messagesOut = 0
  /** What events of it said already; null = nothing. */
  recorded: RecordedUsage | null = null
  /** Why `metering_expr` had no result. */
  meteringError: string | null = null
  /** The event is recorded: nothing may be added to the answer any more. */
  isFinished = false

  constructor(
    gateway: Gateway,
    connection: ClientConnection,
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
    upgradeHead: Buffer | null,
  ) {
    this.gateway = gateway
    this.connection = connection
    this.request = request
    this.response = response
    this.clientHeaders = request.headers
    this.socket = request.socket
    this.requestId = requestId
    this.upgradeHead = upgradeHead
    this.receivedAtMs = Date.now()
    this.startedAtMs = performance.now()
    this.tables = gateway.live.current
    this.method = request.method ?? ''
  }

  /** The client's address, as far as it can be known. */
  get clientAddress(): string {
    const { address, isTrusted } = this.connection
    const forwardedFor = isTrusted ? this.request.headers['x-forwarded-for'] : undefined
    return typeof forwardedFor === 'string' ? this.gateway.trustedProxies.clientAddress(address, forwardedFor) : address
  }

  /** Of the trace that it belongs to; null without one. */
  get traceId(): string | null {
    if (this.trace !== null) return this.trace.traceId
    const header = this.clientHeaders['traceparent'] as string | undefined
    return header === undefined ? null : (parseTraceparent(header)?.traceId ?? null)
  }

  /** What every line of the log about it says. */
  get logFields(): { request_id: string; trace_id: string | undefined } {
    return { request_id: this.requestId, trace_id: this.traceId ?? undefined }
  }

  /** Nobody reads the answer any more. */
  get isClientGone(): boolean {
    return this.socket.destroyed
  }
}
