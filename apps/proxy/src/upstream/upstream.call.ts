import { AnswerRelay } from '../pipeline/answer.relay.ts'
import type { Exchange, UpstreamWork } from '../pipeline/exchange.ts'
import { refusal } from '../pipeline/refusal.ts'
import type { AnswerFields } from './http1/answer.fields.ts'
import type {
  AnswerHandler,
  UpstreamConnection,
  UpstreamFailure,
  UpstreamRequest,
} from './http1/upstream.connection.ts'
import type { UpstreamTarget } from './upstream.target.ts'

const failed = refusal('upstream_error')
const timedOut = refusal('upstream_timeout')
/** RFC 9110 §9.2.2 */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/** One request to an upstream, from the choice of a target to the end of its answer. */
export class UpstreamCall implements AnswerHandler, UpstreamWork {
  readonly #exchange: Exchange
  readonly #request: UpstreamRequest
  readonly #relay: AnswerRelay
  #target: UpstreamTarget
  #connection: UpstreamConnection | null = null
  #tried: UpstreamTarget[] | null = null
  /** A stale connection was replaced once. */
  #isRepeated = false
  #retries = 0
  #isReleased = false

  constructor(exchange: Exchange, request: UpstreamRequest, target: UpstreamTarget) {
    this.#exchange = exchange
    this.#request = request
    this.#relay = new AnswerRelay(exchange)
    this.#target = target
    exchange.call = this
    const upstream = exchange.upstream!
    upstream.hold()
    upstream.retryBudget.request()
  }

  start(): void {
    const { trace } = this.#exchange
    if (trace !== null) trace.asks(this.#target.url)
    if (!this.#target.health.isHealthy) this.#target.health.begin(performance.now())
    this.#connection = this.#target.pool.send(this.#request, this)
  }

  /** The client went away. */
  abandon(): void {
    this.#relay.abandon()
    this.abort()
  }

  abort(): void {
    this.#connection?.destroy()
    this.#connection = null
    if (!this.#isReleased && !this.#relay.isStarted) this.#target.health.abandoned()
    this.#release()
  }

  onBodySent(bytes: number): void {
    // Of a body that was read before, the client's own bytes are counted already.
    if (this.#exchange.sentBody === null) this.#exchange.requestBytes += bytes
  }

  onInformation(status: number, fields: AnswerFields): void {
    if (!this.#exchange.isFinished) this.#relay.inform(status, fields)
  }

  onHead(connection: UpstreamConnection, status: number, fields: AnswerFields): void {
    this.#target.health.succeeded()
    if (!this.#exchange.isFinished) this.#relay.start(status, fields, connection)
  }

  onData(chunk: Buffer): void {
    if (!this.#exchange.isFinished) this.#relay.data(chunk)
  }

  onEnd(trailers: AnswerFields): void {
    this.#connection = null
    this.#release()
    this.#relay.end(trailers)
  }

  onFailure(failure: UpstreamFailure): void {
    this.#connection = null
    const { isFinished } = this.#exchange
    if (!this.#relay.isStarted) {
      if (failure === 'stale' || failure === 'invalid') this.#target.health.abandoned()
      else this.#target.health.failed(performance.now())
      if (!isFinished && this.#tryAgain(failure)) return
    }
    this.#release()
    this.#exchange.gateway.counters.upstreamFailures += 1
    if (!isFinished) this.#relay.fail(failure === 'timeout' ? timedOut : failed)
  }

  /** Only what may be said twice: the method is idempotent, and the body is not on its way. */
  #tryAgain(failure: UpstreamFailure): boolean {
    const { upstream, isClientGone, gateway } = this.#exchange
    const { method, body } = this.#request
    const isBodyHere = body === null || Buffer.isBuffer(body) || failure === 'unreachable'
    if (!idempotent.has(method) || !isBodyHere || isClientGone) return false
    if (failure === 'stale' && !this.#isRepeated) {
      this.#isRepeated = true
      this.#connection = this.#target.pool.sendFresh(this.#request, this)
      return true
    }
    if (failure === 'timeout' || failure === 'invalid' || this.#retries >= upstream!.config.retries) return false
    const tried = (this.#tried ??= [])
    tried.push(this.#target)
    const target = upstream!.choose(tried)
    if (target === null || !upstream!.retryBudget.take()) return false
    this.#retries += 1
    gateway.counters.upstreamRetries += 1
    this.#target = target
    this.start()
    return true
  }

  #release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#exchange.upstream!.release()
  }
}
