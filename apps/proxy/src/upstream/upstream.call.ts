import type { IncomingHttpHeaders } from 'node:http'
import { errors, type Dispatcher } from 'undici'
import { AnswerRelay } from '../pipeline/answer.relay.ts'
import type { Exchange } from '../pipeline/exchange.ts'
import { refusal, type Refusal } from '../pipeline/refusal.ts'

const failed = refusal('upstream_error')
const timedOut = refusal('upstream_timeout')
const badRequest = refusal('bad_request', 'The upstream cannot be asked this.')

/** One request to an upstream, as undici sees it. */
export class UpstreamCall implements Dispatcher.DispatchHandler {
  readonly #exchange: Exchange
  readonly #relay: AnswerRelay
  #controller: Dispatcher.DispatchController | null = null
  #isAborted = false
  #isReleased = false

  constructor(exchange: Exchange) {
    this.#exchange = exchange
    this.#relay = new AnswerRelay(exchange)
    exchange.call = this
  }

  /** The client went away. */
  abandon(): void {
    this.#relay.abandon()
    this.abort()
  }

  /** Ends the work at the upstream; what comes of it is not looked at any more. */
  abort(): void {
    this.#isAborted = true
    this.#controller?.abort(abortion)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isAborted) controller.abort(abortion)
  }

  onBodySent(chunk: Buffer): void {
    this.#exchange.requestBytes += chunk.length
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (this.#exchange.isFinished) return
    if (status < 200) this.#relay.inform(status, headers)
    else this.#relay.start(status, headers, controller)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#exchange.isFinished) this.#relay.data(chunk)
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.#release()
    this.#relay.end(trailers)
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#release()
    if (!this.#exchange.isFinished) this.#relay.fail(refusalOf(error))
  }

  #release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#exchange.upstream!.release()
  }
}

const abortion = new errors.RequestAbortedError('the client went away')

function refusalOf(error: Error): Refusal {
  if (
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    error instanceof errors.ConnectTimeoutError
  ) {
    return timedOut
  }
  // What Node's parser lets pass and undici's writer does not, e.g. a header name with odd characters.
  return error instanceof errors.InvalidArgumentError ? badRequest : failed
}
