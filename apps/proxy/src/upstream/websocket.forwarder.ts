import type { IncomingMessage } from 'node:http'
import { createProxyServer } from 'http-proxy-3'
import type { Exchange } from '../pipeline/exchange.ts'
import type { CloseCode } from './open.websocket.ts'
import type { UpstreamTarget } from './upstream.target.ts'
import { headersObject, WebSocketCall } from './websocket.call.ts'

/**
 * Open WebSockets, by way of http-proxy-3: it asks the upstream and joins the two sockets. An upstream that refuses or
 * fails is answered for here, because http-proxy-3 would let go of the answer before its event is recorded.
 */
export class WebSocketForwarder {
  /** How often the use of an open one is recorded. */
  checkpointMs = 60_000
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
    const call = new WebSocketCall(exchange, target, this.#running, this.checkpointMs)
    exchange.call = call
    request.headers = headersObject([...exchange.upstreamHeaders, 'connection', 'Upgrade', 'upgrade', 'websocket'])
    this.#calls.set(request, call)
    const { url, webSocketAgent: agent } = target
    const options = { target: url.origin, changeOrigin: true, secure: true, ...(agent !== null && { agent }) }
    try {
      this.#proxy.ws(request, socket, head, options, () => {})
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
}
