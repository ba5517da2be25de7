import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { createProxyServer } from 'http-proxy-3'
import { answerHeaders } from '../pipeline/answer-headers.ts'
import { AnswerRelay } from '../pipeline/answer.relay.ts'
import { changedAnswerHeaders } from '../pipeline/changed-headers.ts'
import type { Exchange, UpstreamWork } from '../pipeline/exchange.ts'
import { finish } from '../pipeline/finish.ts'
import { refusal } from '../pipeline/refusal.ts'
import { transformResponse } from '../pipeline/stages/transform-response.ts'
import type { Tables } from '../tables/tables.ts'
import { clientAnswerHeaders } from './response-headers.ts'
import type { UpstreamTarget } from './upstream.target.ts'

const failed = refusal('upstream_error')
const timedOut = refusal('upstream_timeout')

const lingerMs = 3_000

/** RFC 6455 §7.4.1 */
export type CloseCode = 1001 | 1008

/**
 * Open WebSockets, by way of http-proxy-3: it asks the upstream and joins the two sockets. An upstream that refuses or
 * fails is answered for here, because http-proxy-3 would let go of the answer before its event is recorded.
 */
export class WebSocketForwarder {
  readonly #proxy = createProxyServer({})
  readonly #calls = new Map<IncomingMessage, WebSocketCall>()
  readonly #running = new Set<WebSocketCall>()

  constructor() {
    this.#proxy.on('proxyReqWs', (upstreamRequest, request) => this.#calls.get(request)!.begin(upstreamRequest))
    // Every call has its own handler; http-proxy-3 reports the client's socket here as well.
    this.#proxy.on('error', () => {})
  }

  /** Open WebSockets, and upgrades that are not answered yet. */
  get size(): number {
    return this.#running.size
  }

  forward(exchange: Exchange, head: Buffer, target: UpstreamTarget): void {
    const { request, socket } = exchange
    const call = new WebSocketCall(exchange, target, this.#running)
    exchange.call = call
    request.headers = headersObject([...exchange.upstreamHeaders, 'connection', 'Upgrade', 'upgrade', 'websocket'])
    this.#calls.set(request, call)
    try {
      this.#proxy.ws(request, socket, head, { target: target.url.origin, changeOrigin: true, secure: true }, () => {})
    } finally {
      this.#calls.delete(request)
    }
    call.takeOver()
  }

  /** Those that are not open yet are closed as soon as they are. */
  closeAll(code: CloseCode): void {
    for (const call of this.#running) call.close(code)
  }

  /** For clients that do not take their Close frame. */
  cutOffAll(): void {
    for (const call of this.#running) call.cutOff()
  }

  /** Closes what a key opened that is not good any more. */
  closeEnded(tables: Tables, keyId: string | null): void {
    const nowMs = Date.now()
    for (const call of this.#running) {
      if (call.keyId === null || (keyId !== null && call.keyId !== keyId)) continue
      const slot = tables.keys.findId(call.keyId)
      if (slot === -1 || tables.keys.ended(slot, nowMs) !== null) call.close(1008)
    }
  }
}

/** One upgrade, from the request to the end of the WebSocket. */
class WebSocketCall implements UpstreamWork {
  readonly #exchange: Exchange
  readonly #target: UpstreamTarget
  readonly #relay: AnswerRelay
  #upstreamRequest: ClientRequest | null = null
  #upstreamSocket: Socket | null = null
  #timer: NodeJS.Timeout | null = null
  #isHolding = false
  #isOpen = false
  #closeCode: CloseCode | null = null

  constructor(exchange: Exchange, target: UpstreamTarget, running: Set<WebSocketCall>) {
    this.#exchange = exchange
    this.#target = target
    this.#relay = new AnswerRelay(exchange)
    running.add(this)
    exchange.socket.on('close', () => running.delete(this))
  }

  get keyId(): string | null {
    return this.#exchange.keyId
  }

  /** http-proxy-3 has made the request and not sent it: its first listeners are ours. */
  begin(upstreamRequest: ClientRequest): void {
    const { upstreamPath, upstream } = this.#exchange
    this.#upstreamRequest = upstreamRequest
    // The path as it was matched and rewritten: http-proxy-3 would put it together anew.
    upstreamRequest.path = upstreamPath
    upstreamRequest.on('upgrade', (answer, socket: Socket) => this.#onUpgrade(answer, socket))
    upstream!.hold()
    this.#target.health.begin()
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

  /**
   * Ends an open WebSocket with a Close frame. Frames are not read yet: one that comes amid a frame of the upstream is not
   * understood, and the client then sees the connection end without a code.
   */
  close(code: CloseCode): void {
    const { socket } = this.#exchange
    this.#closeCode = code
    if (!this.#isOpen) return
    this.#upstreamSocket?.unpipe(socket)
    socket.write(Buffer.from([0x88, 0x02, code >> 8, code & 0xff]))
    socket.destroySoon()
    this.#upstreamSocket?.destroy()
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
    const { socket, response } = exchange
    this.#target.health.succeeded()
    this.#stopTimer()
    this.#upstreamSocket = upstreamSocket
    exchange.status = 101
    const changes = transformResponse(exchange, 101, answer.headers)
    const change = changes === null ? null : (all: string[]) => changedAnswerHeaders(exchange, changes, all)
    const headers = clientAnswerHeaders(answer.headers, exchange.plan !== null, false, change)
    exchange.kept?.answerBegins(answer.headers)
    exchange.kept?.webSocketOpens(socket, upstreamSocket)
    answerHeaders(exchange, headers, false)
    // http-proxy-3 writes these, next.
    answer.headers = headersObject([...headers, 'connection', 'Upgrade', 'upgrade', 'websocket'])
    response.detachSocket(socket)
    this.#isOpen = true

    const { bytesRead } = socket
    socket.on('close', () => {
      upstreamSocket.destroy()
      this.#release()
      exchange.requestBytes = socket.bytesRead - bytesRead + exchange.upgradeHead!.length
      exchange.responseBytes = socket.bytesWritten - headBytes
      exchange.gateway.counters.inFlight -= 1
      finish(exchange, () => {})
    })
    // A client that does not hang up after its upstream did has this long to take what is on its way.
    upstreamSocket.on('close', () => {
      const linger = setTimeout(() => socket.destroy(), lingerMs)
      socket.on('close', () => clearTimeout(linger))
    })
    let headBytes = 0
    // http-proxy-3 writes the head in this turn; what follows is the WebSocket's.
    process.nextTick(() => {
      headBytes = socket.bytesWritten
      if (this.#closeCode !== null) this.close(this.#closeCode)
    })
  }

  #onRefusal(answer: IncomingMessage): void {
    this.#target.health.succeeded()
    this.#stopTimer()
    const { socket } = this.#exchange
    if (this.#exchange.isFinished) {
      answer.resume()
      return
    }
    this.#relay.start(answer.statusCode!, answer.headers, answer)
    answer.on('data', (chunk: Buffer) => this.#relay.data(chunk))
    answer.on('end', () => {
      this.#release()
      this.#relay.end(answer.trailers)
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
function headersObject(flat: readonly string[]): IncomingMessage['headers'] {
  const headers: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i]!.toLowerCase()
    const before = headers[name]
    headers[name] = before === undefined ? flat[i + 1]! : [before, flat[i + 1]!].flat()
  }
  return headers
}
