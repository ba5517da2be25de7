import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { ErrorCode } from '@apigate/errors'
import { clientAnswerHeaders } from '../upstream/response-headers.ts'
import { answerHeaders } from './answer-headers.ts'
import type { Exchange } from './exchange.ts'
import { finish, refuse } from './finish.ts'
import type { Refusal } from './refusal.ts'
import { hasBody } from './request-body.ts'

/** The upstream's side of an answer. */
export interface AnswerSource {
  pause(): void
  resume(): void
}

const unknownLength = -1

/**
 * Passes an upstream's answer to the client as it comes, with back-pressure, and keeps the promise: the bytes that
 * complete it are let go when its event is in the spool. That is the chunk that completes a known length, the
 * terminating chunk of a chunked answer, and the head where there is no body. Nothing else is ever held back.
 */
export class AnswerRelay {
  readonly #exchange: Exchange
  #source: AnswerSource | null = null
  /** Body bytes to come in all. */
  #length = unknownLength
  #hasBody = true
  #isHeadSent = false
  #held: Buffer | null = null

  constructor(exchange: Exchange) {
    this.#exchange = exchange
  }

  get isStarted(): boolean {
    return this.#source !== null
  }

  /** 103 and the like; 100 never comes here, because the expectation was answered already. */
  inform(status: number, headers: IncomingHttpHeaders): void {
    const { response, request, isClientGone } = this.#exchange
    // RFC 9110 §15.2: not to an HTTP/1.0 client.
    if (isClientGone || request.httpVersionMinor === 0 || status === 101) return
    response.writeInformation(status, clientAnswerHeaders(headers, false, false))
  }

  start(status: number, upstreamHeaders: IncomingHttpHeaders, source: AnswerSource): void {
    const exchange = this.#exchange
    const { response, request, plan } = exchange
    exchange.status = status
    const isHead = exchange.method === 'HEAD'
    this.#hasBody = !isHead && status !== 204 && status !== 304
    // RFC 9110 §8.6: a 204 has no length. Nor has a body that `method_override` asked for with HEAD.
    if (status === 204 || (exchange.upstreamMethod === 'HEAD' && !isHead)) delete upstreamHeaders['content-length']
    const length = upstreamHeaders['content-length']
    if (length !== undefined) this.#length = Number(length)
    const isChunked = this.#hasBody && this.#length === unknownLength && request.httpVersionMinor === 1
    const headers = clientAnswerHeaders(upstreamHeaders, plan !== null, isChunked)
    // What the upstream leaves unread of the body, nobody will read.
    answerHeaders(exchange, headers, !request.complete && hasBody(request))
    response.writeHead(status, headers)
    // Not before: what Node would not write is answered with 502.
    this.#source = source
    if (this.#hasBody && this.#length !== 0) process.nextTick(sendHead, this)
  }

  /** Body and head that come together leave together; a head alone goes out at the end of the turn. */
  sendHead(): void {
    const { response, isFinished, isClientGone } = this.#exchange
    if (this.#isHeadSent || this.#held !== null || isFinished || isClientGone) return
    this.#isHeadSent = true
    response.flushHeaders()
  }

  data(chunk: Buffer): void {
    const exchange = this.#exchange
    const { response } = exchange
    // An answer to HEAD by an upstream that was asked with another method.
    if (!this.#hasBody) return
    exchange.responseBytes += chunk.length
    if (exchange.responseBytes === this.#length) {
      this.#held = chunk
      return
    }
    if (exchange.isClientGone) return
    this.#isHeadSent = true
    if (!response.write(chunk)) {
      const source = this.#source!
      source.pause()
      response.once('drain', () => source.resume())
    }
  }

  end(trailers: IncomingHttpHeaders): void {
    const exchange = this.#exchange
    const { response } = exchange
    const held = this.#held
    finish(exchange, () => {
      if (exchange.isClientGone) return
      if (held !== null) {
        response.end(held)
        return
      }
      if (response.chunkedEncoding) addTrailers(response, trailers)
      response.end()
    })
  }

  /** The answer will not come, or not to its end: an error document if nothing of it was promised yet, else the cut. */
  fail(refusal: Refusal): void {
    const exchange = this.#exchange
    if (exchange.isClientGone) this.abandon()
    else if (this.isStarted) this.#cut(refusal.code)
    else refuse(exchange, refusal)
  }

  /** The client went away. */
  abandon(): void {
    const exchange = this.#exchange
    if (!this.isStarted) exchange.status = 499
    this.#cut(exchange.gateway.isCuttingOff ? 'service_unavailable' : 'client_closed_request')
  }

  #cut(code: ErrorCode): void {
    const exchange = this.#exchange
    exchange.errorCode = code
    finish(exchange, () => exchange.socket.destroy())
  }
}

function sendHead(relay: AnswerRelay): void {
  relay.sendHead()
}

/** RFC 9110 §6.5.1: fields that frame or route a message are no trailers; any trailer may be dropped. */
function addTrailers(response: ServerResponse, trailers: IncomingHttpHeaders): void {
  delete trailers['content-length']
  const flat = clientAnswerHeaders(trailers, true, false)
  const pairs: [string, string][] = []
  for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i]!, flat[i + 1]!])
  try {
    response.addTrailers(pairs)
  } catch {
    // Not writable as a header field. The answer itself is whole.
  }
}
