import type { ServerResponse } from 'node:http'
import type { ErrorCode } from '@apigate/errors'
import { AnswerFields } from '../upstream/http1/answer.fields.ts'
import { clientAnswerHeaders } from '../upstream/response-headers.ts'
import { AnswerBody, tooLarge } from './answer-body.ts'
import { answerHeaders } from './answer-headers.ts'
import { changedAnswerHeaders, changedTrailers, fieldsOfChangedBody } from './changed-headers.ts'
import type { Exchange } from './exchange.ts'
import { finish, refuse } from './finish.ts'
import { refusal, type Refusal } from './refusal.ts'
import { hasBody } from './request-body.ts'
import { transformResponse, type AnswerChanges } from './stages/transform-response.ts'
import { canSendWhole, sendWhole } from './whole.answer.ts'

/** The upstream's side of an answer. */
export interface AnswerSource {
  pause(): void
  resume(): void
}

const unknownLength = -1
/** Nothing comes of it any more. */
const endedSource: AnswerSource = { pause() {}, resume() {} }

/**
 * Passes an upstream's answer to the client as it comes, with back-pressure, and keeps the promise: the bytes that
 * complete it are let go when its event is in the spool. That is the chunk that completes a known length, the
 * terminating chunk of a chunked answer, and the head where there is no body. Nothing else is ever held back, but for a
 * JSON body that the route transforms: that is read whole first.
 */
export class AnswerRelay {
  readonly #exchange: Exchange
  #source: AnswerSource | null = null
  /** Body bytes to come in all. */
  #length = unknownLength
  #hasBody = true
  #isHeadSent = false
  #isPaused = false
  #held: Buffer | null = null
  /** The head of an answer that may yet leave as a whole. */
  #unsent: string[] | null = null
  /** Of an answer that is read whole before any of it goes on. */
  #body: AnswerBody | null = null
  #changes: AnswerChanges | null = null

  constructor(exchange: Exchange) {
    this.#exchange = exchange
  }

  get isStarted(): boolean {
    return this.#source !== null
  }

  /** 103 and the like; 100 never comes here, because the expectation was answered already. */
  inform(status: number, fields: AnswerFields): void {
    const { response, request, isClientGone } = this.#exchange
    // RFC 9110 §15.2: not to an HTTP/1.0 client.
    if (isClientGone || request.httpVersionMinor === 0 || status === 101) return
    response.writeInformation(status, clientAnswerHeaders(fields, false, false))
  }

  start(status: number, fields: AnswerFields, source: AnswerSource): void {
    const exchange = this.#exchange
    exchange.status = status
    exchange.kept?.answerBegins(fields.toObject())
    this.#hasBody = exchange.method !== 'HEAD' && status !== 204 && status !== 304
    const changes = transformResponse(exchange, status, fields)
    if (changes?.changesBody !== true) {
      this.#begin(fields, source, changes)
    } else if (this.#hasBody && exchange.upstreamMethod !== 'HEAD') {
      this.#body = new AnswerBody(exchange, changes, fields)
      if (this.#body.isTooLarge) this.fail(tooLarge)
    } else {
      this.#begin(fieldsOfChangedBody(fields, null), source, changes)
    }
  }

  #begin(fields: AnswerFields, source: AnswerSource, changes: AnswerChanges | null): void {
    const exchange = this.#exchange
    const { response, request, plan, status } = exchange
    // RFC 9110 §8.6: a 204 has no length. Nor has a body that `method_override` asked for with HEAD.
    const isLengthless = status === 204 || (exchange.upstreamMethod === 'HEAD' && exchange.method !== 'HEAD')
    const length = isLengthless ? undefined : fields.get('content-length')
    if (length !== undefined) this.#length = Number(length)
    const isChunked = this.#hasBody && this.#length === unknownLength && request.httpVersionMinor === 1
    this.#changes = changes
    let headers = clientAnswerHeaders(fields, plan !== null, isChunked)
    if (changes !== null) headers = changedAnswerHeaders(exchange, changes, headers)
    // Last: `node:http` takes a `Content-Disposition` behind it for UTF-8, and spoils or refuses what the upstream has sent.
    if (length !== undefined) headers.push('content-length', length)
    // What the upstream leaves unread of the body, nobody will read.
    answerHeaders(exchange, headers, !request.complete && hasBody(request))
    if (changes === null && this.#hasBody && this.#length !== unknownLength && canSendWhole(exchange, this.#length)) {
      this.#unsent = headers
    } else {
      response.writeHead(status, headers)
    }
    // Not before: what Node would not write is answered with 502.
    this.#source = source
    if (this.#hasBody && this.#length !== 0) process.nextTick(sendHead, this)
  }

  /** Body and head that come together leave together; a head alone goes out at the end of the turn. */
  sendHead(): void {
    const { response, isFinished, isClientGone } = this.#exchange
    if (this.#isHeadSent || this.#held !== null || isFinished || isClientGone) return
    this.#isHeadSent = true
    this.#writeHead()
    response.flushHeaders()
  }

  data(chunk: Buffer): void {
    // An answer to HEAD by an upstream that was asked with another method.
    if (!this.#hasBody) return
    this.#exchange.kept?.answerPasses(chunk)
    if (this.#body === null) {
      this.#pass(chunk)
      return
    }
    this.#body.add(chunk)
    if (this.#body.isTooLarge) this.fail(tooLarge)
  }

  #pass(chunk: Buffer): void {
    const exchange = this.#exchange
    const { response } = exchange
    exchange.responseBytes += chunk.length
    if (exchange.responseBytes === this.#length) {
      this.#held = chunk
      return
    }
    if (exchange.isClientGone) return
    this.#isHeadSent = true
    this.#writeHead()
    if (response.write(chunk, this.#onWritten) || this.#isPaused) return
    this.#isPaused = true
    this.#source!.pause()
  }

  /** Not by `drain`, which Node forgets when small chunks come near the mark before it puts them together. */
  readonly #onWritten = (): void => {
    if (!this.#isPaused || this.#exchange.response.writableLength > 0) return
    this.#isPaused = false
    this.#source!.resume()
  }

  /** It does not leave as a whole. */
  #writeHead(): void {
    const headers = this.#unsent
    if (headers === null) return
    this.#unsent = null
    this.#exchange.response.writeHead(this.#exchange.status, headers)
  }

  end(trailers: AnswerFields): void {
    const { kept, isFinished } = this.#exchange
    kept?.answerEnds()
    // What carried it may carry another answer already, while the client still takes this one.
    if (this.isStarted) this.#source = endedSource
    if (this.#body === null) this.#end(trailers)
    else if (!isFinished) void this.#endWith(this.#body)
  }

  /** The whole body is here: what becomes of it goes out at once. */
  async #endWith(body: AnswerBody): Promise<void> {
    const exchange = this.#exchange
    try {
      const answer = await body.changed()
      if (exchange.isFinished) return
      if ('code' in answer) {
        this.fail(answer)
        return
      }
      this.#begin(answer.fields, endedSource, body.changes)
      if (answer.body.length > 0) this.#pass(answer.body)
      this.#end(new AnswerFields())
    } catch (error) {
      exchange.gateway.log.error({ err: error, ...exchange.logFields }, 'an answer cannot be transformed')
      this.fail(refusal('internal_error', undefined, [], exchange.requestId))
    }
  }

  #end(trailers: AnswerFields): void {
    const exchange = this.#exchange
    const { response } = exchange
    const held = this.#held
    const unsent = this.#unsent
    finish(exchange, () => {
      if (exchange.isClientGone) return
      if (unsent !== null) {
        if (response.shouldKeepAlive) {
          sendWhole(exchange, unsent, held)
          return
        }
        // It has become the last one on its connection.
        response.writeHead(exchange.status, unsent)
      }
      if (held !== null) {
        response.end(held)
        return
      }
      if (response.chunkedEncoding) addTrailers(response, trailers, this.#changes)
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
function addTrailers(response: ServerResponse, trailers: AnswerFields, changes: AnswerChanges | null): void {
  const all = clientAnswerHeaders(trailers, true, false)
  const flat = changes === null ? all : changedTrailers(changes, all)
  const pairs: [string, string][] = []
  for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i]!, flat[i + 1]!])
  try {
    response.addTrailers(pairs)
  } catch {
    // Not writable as a header field. The answer itself is whole.
  }
}
