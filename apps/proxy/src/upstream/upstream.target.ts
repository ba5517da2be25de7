import type { HealthCheckConfig, UpstreamConfig } from '@apigate/core'
import type { Reach } from '@apigate/platform'
import type { Agent } from 'node:http'
import type { AnswerFields } from './http1/answer.fields.ts'
import { ConnectionPool } from './http1/connection.pool.ts'
import type { AnswerHandler, UpstreamConnection, UpstreamFailure } from './http1/upstream.connection.ts'
import { reachAgent } from './reach.agent.ts'
import type { Choosable } from './target.choice.ts'
import { TargetHealth } from './target.health.ts'

const jitter = 0.1

/** One server of an upstream: its connections and its health. */
export class UpstreamTarget implements Choosable {
  readonly url: URL
  readonly weight: number
  currentWeight = 0
  readonly pool: ConnectionPool
  /** Null: connections may go anywhere. */
  readonly webSocketAgent: Agent | null
  readonly health: TargetHealth
  /** RFC 3339, since when its health is what it is. */
  changedAt: string
  readonly #check: HealthCheckConfig | null
  #timer: NodeJS.Timeout | null = null
  #running: HealthCheck | null = null

  constructor(url: URL, weight: number, config: UpstreamConfig, reach: Reach | null = null) {
    this.url = url
    this.weight = weight
    this.#check = config.healthCheck
    this.pool = new ConnectionPool(url, config, reach)
    this.webSocketAgent = reach === null ? null : reachAgent(reach, url.protocol)
    this.health = new TargetHealth(config.healthCheck ?? { unhealthyAfter: 1, healthyAfter: 1 })
    this.changedAt = new Date().toISOString()
  }

  /** Checks it from now on, if it is to be checked. The first check is spread over one interval, for many workers start at once. */
  startChecks(): void {
    if (this.#check !== null && this.#timer === null) this.#plan(this.#check, Math.random())
  }

  stopChecks(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#running?.stop()
    this.#running = null
  }

  #plan(check: HealthCheckConfig, share: number): void {
    this.#timer = setTimeout(() => {
      this.#running?.stop()
      this.#running = new HealthCheck(this.pool, check, (isGood) => {
        this.#running = null
        this.health.checked(isGood)
      })
      this.#plan(check, 1 + (Math.random() - 0.5) * 2 * jitter)
    }, check.intervalMs * share)
    this.#timer.unref()
  }
}

/** One `GET`: good when the answer is 2xx or 3xx and comes within an interval. A check that still runs is no good. */
class HealthCheck implements AnswerHandler {
  readonly #done: (isGood: boolean) => void
  readonly #connection: UpstreamConnection
  readonly #timer: NodeJS.Timeout
  #isOver = false

  constructor(pool: ConnectionPool, check: HealthCheckConfig, done: (isGood: boolean) => void) {
    this.#done = done
    this.#timer = setTimeout(() => this.#end(false), check.intervalMs * (1 - jitter))
    this.#timer.unref()
    const path = check.path
    const headers = ['user-agent', 'apigate-health-check', 'accept', '*/*', 'connection', 'close']
    const request = { method: 'GET', path, headers, body: null, bodyBytes: null, bodyTimeoutMs: 0 }
    this.#connection = pool.sendFresh(request, this)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#isOver = true
    this.#connection.destroy()
  }

  onInformation(): void {}
  onBodySent(): void {}
  onData(): void {}
  onEnd(_trailers: AnswerFields): void {}

  onHead(connection: UpstreamConnection, status: number): void {
    connection.destroy()
    this.#end(status < 400)
  }

  onFailure(_failure: UpstreamFailure): void {
    this.#end(false)
  }

  #end(isGood: boolean): void {
    if (this.#isOver) return
    this.stop()
    this.#done(isGood)
  }
}
