import { createServer, ServerResponse, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { WireLimits } from '../config.ts'
import { Exchange, type Gateway } from '../pipeline/exchange.ts'
import { finish, refuse } from '../pipeline/finish.ts'
import { runPipeline } from '../pipeline/index.ts'
import { refusal } from '../pipeline/refusal.ts'
import { hasBody } from '../pipeline/request-body.ts'
import { connectionOf, type ClientConnection } from './client-connection.ts'
import { refusalOfParseError, refuseRaw } from './parse-error.ts'
import { requestIdOf } from './request-id.ts'
import { checkWire } from './wire-checks.ts'

export interface TrafficServerOptions {
  host: string
  /** 0 = any free port. */
  port: number
  limits: WireLimits
  gateway: Gateway
}

/** Requests that wait behind one on their connection before no more is read from it. */
const waitingMax = 32
/** What one read can hold of the smallest requests is below this. */
const waitingLimit = 10_000

const noTunnel = refusal('method_not_allowed', 'This is no tunnel.')
const upgradeWithBody = refusal('bad_request', 'An upgrade has no body.')

/** The server that clients talk to: makes an `Exchange` of each request and gives it to the pipeline. */
export class TrafficServer {
  readonly #options: TrafficServerOptions
  readonly #server: Server

  constructor(options: TrafficServerOptions) {
    this.#options = options
    const { limits } = options
    const server = createServer({
      // Strict parsing is Node's default; said here because so much rests on it.
      insecureHTTPParser: false,
      // Checked by `checkWire`, which answers with a body.
      requireHostHeader: false,
      // The request line counts too. A URL beyond its own limit is told so up to this.
      maxHeaderSize: limits.headerBytesMax + limits.urlBytesMax,
      headersTimeout: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      optimizeEmptyRequests: true,
      shouldUpgradeCallback: (request) => isWebSocketUpgrade(request) && this.#isIdle(request.socket),
    })
    // Node drops what is beyond silently; `checkWire` refuses it.
    server.maxHeadersCount = 0
    server.on('request', (request, response) => this.#onRequest(request, response, false))
    server.on('checkContinue', (request, response) => this.#onRequest(request, response, true))
    // RFC 9110 §10.1.1 allows to pass over an expectation that is not known; Node would answer it by itself.
    server.on('checkExpectation', (request, response) => this.#onRequest(request, response, false))
    server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head))
    server.on('connect', (request, socket, head) => this.#onUpgrade(request, socket, head))
    server.setTimeout(limits.sendTimeoutMs, (socket) => this.#onTimeout(socket))
    server.on('clientError', (error, socket) => this.#onClientError(error, socket as Socket))
    this.#server = server
  }

  /** @throws when the port cannot be bound. */
  async listen(): Promise<number> {
    const { host, port } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, resolve)
    })
    return (this.#server.address() as AddressInfo).port
  }

  /**
   * Takes no connection any more; resolves when the last answer is out and every connection closed. Node closes those that are
   * idle now; one whose answer began before anybody could know that it is the last is closed behind it.
   */
  stopAccepting(): Promise<void> {
    if (!this.#server.listening) return Promise.resolve()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  /** Cuts off what still runs. */
  closeAllConnections(): void {
    this.#server.closeAllConnections()
  }

  /**
   * One after the other: what a client has pipelined takes no more of an upstream than what it sends in turn, and a request
   * that changes something is not overtaken (RFC 9112 §9.3.2).
   */
  #onRequest(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
    const { socket } = request
    const connection = connectionOf(socket, this.#options.gateway.trustedProxies)
    if (connection.newest === null || connection.newest.response.closed) {
      this.#serve(request, response, awaitsContinue)
      return
    }
    const waiting = (connection.waiting ??= [])
    waiting.push({ request, response, awaitsContinue })
    if (waiting.length > waitingLimit) socket.destroy()
    // Not before the parser is through with what was read: it resumes the socket behind every request.
    else if (waiting.length >= waitingMax) process.nextTick(pauseWhileWaiting, connection, socket)
  }

  #serve(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
    const exchange = this.#begin(request, response, null)
    exchange.awaitsContinue = awaitsContinue
    const { connection } = exchange
    const isLast = connection.broken !== null && connection.waiting!.length === 0
    if (isLast) endAfter(exchange)
    const unreadable = isLast && !request.complete ? connection.broken : null
    const verdict = unreadable ?? checkWire(exchange, this.#options.limits)
    if (verdict !== null) refuse(exchange, verdict)
    else runPipeline(exchange)
  }

  #serveNext({ waiting }: ClientConnection, socket: Socket): void {
    if (waiting === null || waiting.length === 0) return
    if (!socket.writable) {
      waiting.length = 0
      return
    }
    const { request, response, awaitsContinue } = waiting.shift()!
    if (waiting.length < waitingMax / 2 && socket.isPaused()) socket.resume()
    this.#serve(request, response, awaitsContinue)
  }

  /** Until the upstream agrees, an upgrade is answered as any request is. `CONNECT` comes here too. */
  #onUpgrade(request: IncomingMessage, duplex: Duplex, head: Buffer): void {
    const socket = duplex as Socket
    socket.on('error', () => socket.destroy())
    if (!this.#isIdle(socket)) {
      // A CONNECT behind a request that has no answer yet: Node has taken the socket from that one.
      socket.destroy()
      return
    }
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket)
    response.on('finish', () => socket.destroySoon())
    const exchange = this.#begin(request, response, head)
    const verdict = checkWire(exchange, this.#options.limits)
    if (verdict !== null) refuse(exchange, verdict)
    else if (request.method === 'CONNECT') refuse(exchange, noTunnel)
    else if (hasBody(request)) refuse(exchange, upgradeWithBody)
    else runPipeline(exchange)
  }

  #begin(request: IncomingMessage, response: ServerResponse, upgradeHead: Buffer | null): Exchange {
    const { gateway } = this.#options
    const connection = connectionOf(request.socket, gateway.trustedProxies)
    const requestId = requestIdOf(request.headers['x-request-id'])
    const exchange = new Exchange(gateway, connection, request, response, requestId, upgradeHead)
    if (gateway.tracer !== null) exchange.trace = gateway.tracer.begin(exchange)
    connection.newest = exchange
    gateway.counters.inFlight += 1
    response.on('close', () => {
      onResponseClosed(exchange)
      if (!this.#server.listening) setImmediate(() => this.#server.closeIdleConnections())
      if (connection.waiting !== null) this.#serveNext(connection, exchange.socket)
    })
    return exchange
  }

  /** Whether nothing is being answered on the connection, so that the next request may take it over. */
  #isIdle(socket: Socket): boolean {
    const { newest, waiting } = connectionOf(socket, this.#options.gateway.trustedProxies)
    return newest?.response.closed !== false && (waiting === null || waiting.length === 0)
  }

  /**
   * For a while nothing has moved on the connection. While the upstream is silent that is nobody's fault; a client that takes
   * nothing of what is there for it is cut off, and so is one that asks for nothing more. The first request of a connection
   * has its own time limits.
   */
  #onTimeout(socket: Socket): void {
    const { newest } = connectionOf(socket, this.#options.gateway.trustedProxies)
    const isWorking = newest === null || !this.#isIdle(socket)
    if (isWorking && socket.writableLength === 0) socket.setTimeout(this.#options.limits.sendTimeoutMs)
    else socket.destroy()
  }

  /** The parser gave up, or a client was too slow. Nothing more can be read from this connection. */
  #onClientError(error: Error & { code?: string }, socket: Socket): void {
    const connection = connectionOf(socket, this.#options.gateway.trustedProxies)
    const { newest } = connection
    const verdict = refusalOfParseError(error)
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy(error)
    } else if (connection.waiting !== null && connection.waiting.length > 0) {
      connection.broken ??= verdict
    } else if (newest === null || newest.response.closed) {
      refuseRaw(socket, verdict)
    } else if (newest.isFinished || newest.request.complete) {
      // What is wrong came after it: it gets its answer, which is the last one.
      if (connection.broken !== null) return
      connection.broken = verdict
      endAfter(newest)
    } else if (newest.status === 0) {
      refuse(newest, verdict)
    } else {
      socket.destroy(error)
    }
  }
}

function pauseWhileWaiting({ waiting }: ClientConnection, socket: Socket): void {
  if (waiting !== null && waiting.length >= waitingMax) socket.pause()
}

/** It is the last answer on its connection. */
function endAfter({ response, socket }: Exchange): void {
  response.shouldKeepAlive = false
  response.on('finish', () => socket.destroySoon())
}

function onResponseClosed(exchange: Exchange): void {
  exchange.gateway.counters.inFlight -= 1
  if (exchange.isFinished) return
  if (exchange.call !== null) {
    exchange.call.abandon()
    return
  }
  exchange.status = 499
  exchange.errorCode = 'client_closed_request'
  finish(exchange, () => {})
}

/** Other protocols (`h2c`) are not spoken here; RFC 9110 §7.8 lets a server go on as if nobody had asked. */
function isWebSocketUpgrade(request: IncomingMessage): boolean {
  return request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket'
}
