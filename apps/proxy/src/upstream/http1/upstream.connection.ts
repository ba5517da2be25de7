import type { Readable } from 'node:stream'
import { connect as connectTcp, isIP, Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Reach } from '@apigate/platform'
import type { AnswerFields } from './answer.fields.ts'
import { AnswerParser, type AnswerSink } from './answer.parser.ts'

/** A request as it goes out. */
export interface UpstreamRequest {
  method: string
  /** Path and query. */
  path: string
  /** Names and values alternating, without `Host` and framing. */
  headers: readonly string[]
  /** Its bytes go on as they come; a stream of unknown length goes in chunks. */
  body: Readable | Buffer | null
  /** Of the body; null = unknown. */
  bodyBytes: number | null
  /** Between two pieces of the answer's body; 0 = it may be silent. */
  bodyTimeoutMs: number
}

/**
 * `unreachable`: nothing was sent. `lost`: the connection broke off. `stale`: it did so before any byte of the answer,
 * and had served before: the other side may have closed it while the request was on its way (RFC 9112 §9.3.1).
 * `invalid`: what came is no HTTP answer. `timeout`.
 */
export type UpstreamFailure = 'unreachable' | 'lost' | 'stale' | 'invalid' | 'timeout'

/** Whoever asked: told what comes of it, and at the end one of `onEnd` and `onFailure`. */
export interface AnswerHandler {
  onInformation(status: number, fields: AnswerFields): void
  onHead(connection: UpstreamConnection, status: number, fields: AnswerFields): void
  onData(chunk: Buffer): void
  onEnd(trailers: AnswerFields): void
  onFailure(failure: UpstreamFailure): void
  onBodySent(bytes: number): void
}

export interface ConnectionOwner {
  readonly origin: URL
  /** Where it may connect to; null: anywhere. */
  readonly reach: Reach | null
  readonly timeoutMs: number
  readonly connectTimeoutMs: number
  /** Coarse monotonic ms, moved on by the owner's timer. */
  readonly nowMs: number
  readonly tlsSession: Buffer | null
  onTlsSession(session: Buffer): void
  /** An answer is complete and the connection may carry another request. */
  onIdle(connection: UpstreamConnection): void
  /** May come more than once. */
  onClosed(connection: UpstreamConnection): void
}

/** One for all connections: a read is looked at before the next one comes, and what goes on is copied. */
const readBuffer = Buffer.allocUnsafeSlow(65_536)
const keepAliveProbeMs = 60_000

/** A connection to an upstream that carries one request at a time (RFC 9112). */
export class UpstreamConnection implements AnswerSink {
  /** Of the last sign of life, as far as the timeout in question goes. */
  activeAtMs: number
  keepAliveMs = Infinity
  readonly #owner: ConnectionOwner
  readonly #socket: Socket
  readonly #parser: AnswerParser
  #isConnected = false
  #hasServed = false
  #isPaused = false
  #isHeadSeen = false
  #isClosed = false
  #handler: AnswerHandler | null = null
  #request: UpstreamRequest | null = null
  /** The part of the body that the client has not sent yet is waited for, and not the upstream. */
  #awaitsClient = false
  #isBodySent = false
  /** Of the answer's body in one read. */
  readonly #pieces: Buffer[] = []
  #stopBody: (() => void) | null = null

  constructor(owner: ConnectionOwner) {
    this.#owner = owner
    this.activeAtMs = owner.nowMs
    const { protocol, hostname, port } = owner.origin
    const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
    const lookup = owner.reach === null ? {} : { lookup: owner.reach.lookup }
    if (owner.reach !== null && isIP(host) !== 0 && !owner.reach.permits(host)) {
      this.#parser = new AnswerParser(this, false)
      this.#socket = new Socket().destroy(new Error(`${host} is not where upstreams may be`))
    } else if (protocol === 'https:') {
      this.#parser = new AnswerParser(this, false)
      const socket = connectTls({
        host,
        port: Number(port || 443),
        ...lookup,
        ...(isIP(host) === 0 ? { servername: host } : {}),
        ALPNProtocols: ['http/1.1'],
        ...(owner.tlsSession === null ? {} : { session: owner.tlsSession }),
      })
      socket.on('session', (session) => owner.onTlsSession(session))
      socket.on('secureConnect', () => this.#onConnect())
      socket.on('data', (chunk: Buffer) => void this.#onBytes(chunk))
      this.#socket = socket
    } else {
      this.#parser = new AnswerParser(this, true)
      this.#socket = connectTcp({
        host,
        port: Number(port || 80),
        ...lookup,
        onread: { buffer: readBuffer, callback: (bytes, buffer) => this.#onBytes(buffer.subarray(0, bytes) as Buffer) },
      })
      this.#socket.on('connect', () => this.#onConnect())
    }
    this.#socket.setNoDelay(true)
    this.#socket.setKeepAlive(true, keepAliveProbeMs)
    this.#socket.on('end', () => this.#onEnd())
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => this.#onClose())
  }

  get isIdle(): boolean {
    return this.#handler === null
  }

  /** Only while it is idle. */
  send(request: UpstreamRequest, handler: AnswerHandler): void {
    this.#handler = handler
    this.#request = request
    this.#isHeadSeen = false
    this.activeAtMs = this.#owner.nowMs
    this.#parser.begin(request.method === 'HEAD')
    if (this.#isConnected) this.#write(request)
  }

  pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.activeAtMs = this.#owner.nowMs
    if (!this.#isClosed) this.#socket.resume()
  }

  /** Ends it, whatever it does. The handler hears nothing any more. */
  destroy(): void {
    this.#letGo()
    this.#parser.stop()
    this.#socket.destroy()
    this.#owner.onClosed(this)
  }

  /** @param graceMs how coarse `nowMs` is */
  checkTimeout(nowMs: number, graceMs: number): void {
    const request = this.#request
    if (request === null) return
    if (this.#isPaused || this.#awaitsClient) {
      this.activeAtMs = nowMs
      return
    }
    const { timeoutMs, connectTimeoutMs } = this.#owner
    const allowedMs = !this.#isConnected ? connectTimeoutMs : this.#isHeadSeen ? request.bodyTimeoutMs : timeoutMs
    if (allowedMs > 0 && nowMs - this.activeAtMs > allowedMs + graceMs) this.#fail('timeout')
  }

  onInformation(status: number, fields: AnswerFields): void {
    this.activeAtMs = this.#owner.nowMs
    if (status !== 100) this.#handler?.onInformation(status, fields)
  }

  onHead(status: number, fields: AnswerFields): void {
    this.#isHeadSeen = true
    this.activeAtMs = this.#owner.nowMs
    this.#handler?.onHead(this, status, fields)
  }

  onData(chunk: Buffer): void {
    this.#pieces.push(chunk)
  }

  /** However many chunks it came in: to write each by itself costs more than all else. */
  #passData(): void {
    const { length } = this.#pieces
    if (length === 0) return
    const data = length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
    this.#pieces.length = 0
    this.#handler?.onData(data)
  }

  #onConnect(): void {
    this.#isConnected = true
    this.activeAtMs = this.#owner.nowMs
    if (this.#request !== null) this.#write(this.#request)
  }

  /** @returns false when no more is wanted for now. */
  #onBytes(bytes: Buffer): boolean {
    if (this.#handler === null) {
      // Nobody asked for this.
      this.destroy()
      return true
    }
    // A part of a head is no answer yet.
    if (this.#isHeadSeen) this.activeAtMs = this.#owner.nowMs
    try {
      this.#parser.read(bytes)
      this.#passData()
    } catch {
      // Also what the answer's head makes the client's side refuse.
      this.#fail('invalid')
      return true
    }
    if (this.#parser.isComplete) this.#complete()
    return !this.#isPaused
  }

  #onEnd(): void {
    if (this.#handler !== null && this.#parser.end()) this.#complete()
    else this.#fail(this.#lostHow())
  }

  #onClose(): void {
    this.#isClosed = true
    this.#fail(this.#lostHow())
  }

  #lostHow(): UpstreamFailure {
    if (!this.#isConnected) return 'unreachable'
    return this.#hasServed && !this.#parser.hasBegun ? 'stale' : 'lost'
  }

  #complete(): void {
    const handler = this.#handler
    const isReusable = this.#parser.isReusable && this.#isBodySent && !this.#socket.destroyed
    this.keepAliveMs = this.#parser.keepAliveMs
    this.#letGo()
    this.#hasServed = true
    if (isReusable) {
      if (this.#isPaused) this.resume()
      this.activeAtMs = this.#owner.nowMs
      this.#owner.onIdle(this)
    } else {
      this.destroy()
    }
    handler?.onEnd(this.#parser.trailers)
  }

  #fail(failure: UpstreamFailure): void {
    const handler = this.#handler
    this.destroy()
    handler?.onFailure(failure)
  }

  #letGo(): void {
    this.#handler = null
    this.#request = null
    this.#awaitsClient = false
    this.#stopBody?.()
    this.#stopBody = null
  }

  #write(request: UpstreamRequest): void {
    const { body, bodyBytes } = request
    const head = headText(request, this.#owner.origin.host)
    this.#isBodySent = body === null
    if (body === null) {
      this.#socket.write(head, 'latin1')
    } else if (Buffer.isBuffer(body)) {
      this.#isBodySent = true
      this.#socket.cork()
      this.#socket.write(head, 'latin1')
      this.#socket.write(body)
      this.#socket.uncork()
      this.#handler!.onBodySent(body.length)
    } else {
      // Head and the body that came with it leave together.
      this.#socket.cork()
      this.#socket.write(head, 'latin1')
      process.nextTick(uncork, this.#socket)
      this.#sendBody(body, bodyBytes === null)
    }
  }

  #sendBody(body: Readable, isChunked: boolean): void {
    const socket = this.#socket
    const handler = this.#handler!
    const onData = (chunk: Buffer): void => {
      this.activeAtMs = this.#owner.nowMs
      handler.onBodySent(chunk.length)
      if (isChunked) socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
      let isTaken = socket.write(chunk)
      if (isChunked) isTaken = socket.write('\r\n', 'latin1')
      if (isTaken) return
      this.#awaitsClient = false
      body.pause()
    }
    const onDrain = (): void => {
      this.#awaitsClient = true
      body.resume()
    }
    const onEnd = (): void => {
      if (isChunked) socket.write('0\r\n\r\n', 'latin1')
      this.#isBodySent = true
      this.#awaitsClient = false
      this.activeAtMs = this.#owner.nowMs
      this.#stopBody?.()
      this.#stopBody = null
    }
    this.#awaitsClient = true
    this.#stopBody = () => {
      body.off('data', onData)
      body.off('end', onEnd)
      socket.off('drain', onDrain)
    }
    body.on('data', onData)
    body.on('end', onEnd)
    socket.on('drain', onDrain)
  }
}

function uncork(socket: Socket): void {
  socket.uncork()
}

function headText({ method, path, headers, body, bodyBytes }: UpstreamRequest, host: string): string {
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n`
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
  if (body !== null) {
    text += bodyBytes === null ? 'transfer-encoding: chunked\r\n' : `content-length: ${bodyBytes}\r\n`
  } else if (method === 'POST' || method === 'PUT' || method === 'PATCH') {
    // RFC 9110 §8.6: for methods that usually have a body.
    text += 'content-length: 0\r\n'
  }
  return `${text}\r\n`
}
