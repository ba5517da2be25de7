import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { answerHeaders } from '../pipeline/answer-headers.ts'
import { AnswerRelay } from '../pipeline/answer.relay.ts'
import { changedAnswerHeaders } from '../pipeline/changed-headers.ts'
import type { Exchange, UpstreamWork } from '../pipeline/exchange.ts'
import { refusal } from '../pipeline/refusal.ts'
import { transformResponse } from '../pipeline/stages/transform-response.ts'
import { AnswerFields } from './http1/answer.fields.ts'
import { OpenWebSocket, type CloseCode } from './open.websocket.ts'
import { clientAnswerHeaders } from './response-headers.ts'
import type { UpstreamTarget } from './upstream.target.ts'

const failed = refusal('upstream_error')
const timedOut = refusal('upstream_timeout')

/** One upgrade, from the request to the end of the WebSocket. */
export class WebSocketCall implements UpstreamWork {
  readonly #exchange: Exchange
  readonly #target: UpstreamTarget
  readonly #relay: AnswerRelay
  readonly #checkpointMs: number
  #upstreamRequest: ClientRequest | null = null
  #timer: NodeJS.Timeout | null = null
  #isHolding = false
  #open: OpenWebSocket | null = null
  #closeCode: CloseCode | null = null

  constructor(exchange: Exchange, target: UpstreamTarget, running: Set<WebSocketCall>, checkpointMs: number) {
    this.#exchange = exchange
    this.#target = target
    this.#checkpointMs = checkpointMs
    this.#relay = new AnswerRelay(exchange)
    running.add(this)
    const { keyWatch } = exchange.gateway
    keyWatch.watch(exchange, () => this.close(1008))
    exchange.socket.on('close', () => {
      running.delete(this)
      keyWatch.forget(exchange)
    })
  }

  /** http-proxy-3 has made the request and not sent it: its first listeners are ours. */
  begin(upstreamRequest: ClientRequest): void {
    const { upstreamPath, upstream, trace } = this.#exchange
    if (trace !== null) trace.asks(this.#target.url)
    this.#upstreamRequest = upstreamRequest
    // The path as it was matched and rewritten: http-proxy-3 would put it together anew.
    upstreamRequest.path = upstreamPath
    upstreamRequest.on('upgrade', (answer, socket: Socket) => this.#onUpgrade(answer, socket))
    upstream!.hold()
    this.#target.health.begin(performance.now())
    this.#isHolding = true
    this.#timer = setTimeout(() => this.#onTimeout(), upstream!.config.timeoutMs)
  }

  /** After http-proxy-3: an answer that is no upgrade, and a failure, are ours. */
  takeOver(): void {
    const upstreamRequest = this.#upstreamRequest!
    upstreamRequest.removeAllListeners('response')
    upstreamRequest.removeAllListeners('error')
    upstreamRequest.on('error', () => {
      if (this.#isHolding) this.#target.health.failed(performance.now())
      this.#release()
      if (!this.#exchange.isFinished) this.#relay.fail(failed)
    })
    upstreamRequest.on('response', (answer) => this.#onRefusal(answer))
  }

  abandon(): void {
    this.#relay.abandon()
    this.abort()
  }

  abort(): void {
    if (this.#isHolding) this.#target.health.abandoned()
    this.#release()
    this.#upstreamRequest?.destroy()
  }

  /** Ends it with that code; as soon as it is open, if it is not yet. */
  close(code: CloseCode): void {
    this.#closeCode = code
    this.#open?.close(code)
  }

  cutOff(): void {
    this.#exchange.socket.destroy()
  }

  #onTimeout(): void {
    this.#target.health.failed(performance.now())
    this.#release()
    if (!this.#exchange.isFinished) this.#relay.fail(timedOut)
    this.abort()
  }

  #onUpgrade(answer: IncomingMessage, upstreamSocket: Socket): void {
    const exchange = this.#exchange
    const { socket, response, gateway } = exchange
    this.#target.health.succeeded()
    this.#stopTimer()
    exchange.status = 101
    const fields = AnswerFields.of(answer.headers)
    const changes = transformResponse(exchange, 101, fields)
    let headers = clientAnswerHeaders(fields, exchange.plan !== null, false)
    if (changes !== null) headers = changedAnswerHeaders(exchange, changes, headers)
    exchange.kept?.answerBegins(answer.headers)
    answerHeaders(exchange, headers, false)
    // http-proxy-3 writes these, next.
    answer.headers = headersObject([...headers, 'connection', 'Upgrade', 'upgrade', 'websocket'])
    response.detachSocket(socket)
    this.#open = new OpenWebSocket(exchange, upstreamSocket, this.#checkpointMs, gateway.sendTimeoutMs)
    socket.on('close', () => this.#release())
    // http-proxy-3 writes the head in this turn.
    process.nextTick(() => {
      if (this.#closeCode !== null) this.close(this.#closeCode)
    })
  }

  #onRefusal(answer: IncomingMessage): void {
    const { socket, isFinished } = this.#exchange
    const status = answer.statusCode!
    if (isFinished || status < 200 || status > 599) {
      // Or no answer that HTTP has: a 101 without an upgrade comes here as well.
      this.abort()
      if (!isFinished) this.#relay.fail(failed)
      return
    }
    this.#target.health.succeeded()
    this.#timer?.refresh()
    this.#relay.start(status, AnswerFields.of(answer.headers), answer)
    answer.on('data', (chunk: Buffer) => {
      this.#timer?.refresh()
      this.#relay.data(chunk)
    })
    answer.on('end', () => {
      this.#release()
      this.#relay.end(AnswerFields.of(answer.trailers))
    })
    answer.on('error', () => {
      this.#release()
      if (!this.#exchange.isFinished) this.#relay.fail(failed)
    })
    socket.on('close', () => answer.destroy())
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #release(): void {
    this.#stopTimer()
    if (!this.#isHolding) return
    this.#isHolding = false
    this.#exchange.upstream!.release()
  }
}

/** Names and values alternating, as the object that `node:http` takes. */
export function headersObject(flat: readonly string[]): IncomingMessage['headers'] {
  const headers: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i]!.toLowerCase()
    const before = headers[name]
    headers[name] = before === undefined ? flat[i + 1]! : [before, flat[i + 1]!].flat()
  }
  return headers
}
