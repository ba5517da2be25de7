import type { Reach } from '@apigate/platform'
import {
  UpstreamConnection,
  type AnswerHandler,
  type ConnectionOwner,
  type UpstreamRequest,
} from './upstream.connection.ts'

export interface PoolOptions {
  timeoutMs: number
  /** Connections kept for the next request. */
  maxIdleConns: number
  /** For how long. */
  idleConnTimeoutMs: number
}

const connectTimeoutMsMax = 10_000
/** A connection is not used any more this long before the other side said that it will close it. */
const keepAliveMarginMs = 1_000

/**
 * The connections to one origin. A request takes the one that was used last, or opens another: none ever waits for one.
 * Timeouts are looked at by one timer, which runs while there are connections, so that a request starts none.
 */
export class ConnectionPool implements ConnectionOwner {
  readonly origin: URL
  readonly reach: Reach | null
  readonly timeoutMs: number
  readonly connectTimeoutMs: number
  nowMs = performance.now()
  tlsSession: Buffer | null = null
  readonly #options: PoolOptions
  readonly #tickMs: number
  readonly #all = new Set<UpstreamConnection>()
  readonly #idle: UpstreamConnection[] = []
  #timer: NodeJS.Timeout | null = null
  #isRetired = false

  /** @param reach where it may connect to; null: anywhere. */
  constructor(origin: URL, options: PoolOptions, reach: Reach | null = null) {
    this.origin = origin
    this.reach = reach
    this.#options = options
    this.timeoutMs = options.timeoutMs
    this.connectTimeoutMs = Math.min(options.timeoutMs, connectTimeoutMsMax)
    this.#tickMs = Math.min(Math.max(Math.floor(Math.min(options.timeoutMs, options.idleConnTimeoutMs) / 10), 5), 500)
  }

  /** Open connections, those that are being opened included. */
  get size(): number {
    return this.#all.size
  }

  /** @returns what carries it. */
  send(request: UpstreamRequest, handler: AnswerHandler): UpstreamConnection {
    const connection = this.#idle.pop() ?? this.#open()
    connection.send(request, handler)
    return connection
  }

  /** On a connection of its own. */
  sendFresh(request: UpstreamRequest, handler: AnswerHandler): UpstreamConnection {
    const connection = this.#open()
    connection.send(request, handler)
    return connection
  }

  /** Closes what is idle now and what becomes so. */
  retire(): void {
    this.#isRetired = true
    for (const connection of this.#idle.splice(0)) connection.destroy()
  }

  /** Keeps connections again. */
  revive(): void {
    this.#isRetired = false
  }

  onIdle(connection: UpstreamConnection): void {
    if (this.#isRetired || this.#idle.length >= this.#options.maxIdleConns) connection.destroy()
    else this.#idle.push(connection)
  }

  onClosed(connection: UpstreamConnection): void {
    this.#all.delete(connection)
    const at = this.#idle.indexOf(connection)
    if (at !== -1) this.#idle.splice(at, 1)
    if (this.#all.size > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
  }

  onTlsSession(session: Buffer): void {
    this.tlsSession = session
  }

  #open(): UpstreamConnection {
    if (this.#timer === null) {
      this.nowMs = performance.now()
      this.#timer = setInterval(() => this.#tick(), this.#tickMs)
      this.#timer.unref()
    }
    const connection = new UpstreamConnection(this)
    this.#all.add(connection)
    return connection
  }

  #tick(): void {
    const nowMs = performance.now()
    // What came since the last tick bears its time, and a busy worker's ticks are late.
    const graceMs = Math.max(this.#tickMs, nowMs - this.nowMs)
    this.nowMs = nowMs
    const { idleConnTimeoutMs } = this.#options
    for (const connection of this.#all) {
      if (!connection.isIdle) {
        connection.checkTimeout(nowMs, graceMs)
        continue
      }
      const idleMs = Math.min(idleConnTimeoutMs, connection.keepAliveMs - keepAliveMarginMs)
      if (nowMs - connection.activeAtMs >= idleMs) connection.destroy()
    }
  }
}
