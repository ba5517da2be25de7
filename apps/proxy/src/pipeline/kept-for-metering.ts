import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { Transform } from 'node:stream'
import { MeteringError, StreamFacts, type Meter } from '@apigate/core'
import { decodedNow, textOf } from './json-body.ts'

/** Of each body; what is longer is not metered by its content. */
export const keptBytesMax = 1_048_576

/** Bytes of one body, as far as they are kept. */
export class BodyCopy {
  readonly #chunks: Buffer[] = []
  #bytes = 0
  readonly #coding: string | undefined
  isComplete = false

  constructor(coding: string | undefined) {
    this.#coding = coding
  }

  add(chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes <= keptBytesMax) this.#chunks.push(chunk)
    else this.#chunks.length = 0
  }

  /** @throws MeteringError when the body is not here as a whole, or cannot be decoded. */
  text(): string | null {
    if (this.#bytes > keptBytesMax) throw new MeteringError('body_too_large')
    if (!this.isComplete) throw new MeteringError('body_incomplete')
    const plain = decodedNow(Buffer.concat(this.#chunks), this.#coding, keptBytesMax)
    if (plain === 'too_large') throw new MeteringError('body_too_large')
    if (plain === 'unknown' || plain === 'broken') throw new MeteringError('body_not_decodable')
    return textOf(plain)
  }
}

/** What an expression reads of an exchange, while it passes: made only for a meter that reads it. */
export class KeptForMetering {
  requestBody: BodyCopy | null = null
  responseHeaders: IncomingHttpHeaders = {}
  responseBody: BodyCopy | null = null
  /** Of an answer that is an event stream. */
  stream: StreamCopy | null = null
  readonly #reads: Meter['reads']

  constructor(reads: Meter['reads']) {
    this.#reads = reads
  }

  /** The client's body on its way to the upstream. */
  requestStream(request: IncomingMessage): IncomingMessage | Transform {
    if (!this.#reads.requestBody) return request
    const copy = (this.requestBody = new BodyCopy(request.headers['content-encoding']))
    const tee = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        copy.add(chunk)
        done(null, chunk)
      },
      flush(done) {
        copy.isComplete = true
        done()
      },
    })
    return request.pipe(tee)
  }

  /** The client's body that was read before. */
  requestRead(request: IncomingMessage, body: Buffer): void {
    if (!this.#reads.requestBody) return
    this.requestBody = new BodyCopy(request.headers['content-encoding'])
    this.requestBody.add(body)
    this.requestBody.isComplete = true
  }

  answerBegins(headers: IncomingHttpHeaders): void {
    this.responseHeaders = { ...headers }
    const coding = headers['content-encoding']
    if (this.#reads.responseBody) this.responseBody = new BodyCopy(coding)
    if (this.#reads.sse && /^\s*text\/event-stream\s*(?:;|$)/i.test(headers['content-type'] ?? '')) {
      this.stream = new StreamCopy(coding)
    }
  }

  answerPasses(chunk: Buffer): void {
    this.responseBody?.add(chunk)
    this.stream?.add(chunk)
  }

  answerEnds(): void {
    if (this.responseBody !== null) this.responseBody.isComplete = true
    if (this.stream !== null) this.stream.isComplete = true
  }
}

/** An event stream: read as it passes, or, where it comes compressed, kept and read when it has ended. */
export class StreamCopy {
  readonly #facts = new StreamFacts()
  readonly #decoder = new TextDecoder()
  readonly #compressed: BodyCopy | null
  #isRead = false

  constructor(coding: string | undefined) {
    const isPlain = coding === undefined || coding.toLowerCase() === 'identity'
    this.#compressed = isPlain ? null : new BodyCopy(coding)
  }

  set isComplete(isComplete: boolean) {
    if (this.#compressed !== null) this.#compressed.isComplete = isComplete
  }

  add(chunk: Buffer): void {
    if (this.#compressed === null) this.#facts.push(this.#decoder.decode(chunk, { stream: true }))
    else this.#compressed.add(chunk)
  }

  /** @throws MeteringError where it came compressed and cannot be read. */
  get facts(): StreamFacts {
    if (this.#compressed !== null && !this.#isRead) {
      this.#facts.push(this.#compressed.text() ?? '')
      this.#isRead = true
    }
    return this.#facts
  }
}
