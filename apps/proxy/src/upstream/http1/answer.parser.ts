import { AnswerFields } from './answer.fields.ts'
import { parseFields, type Lines } from './field-lines.ts'

/** What a parser found; all are called while it reads. */
export interface AnswerSink {
  /** 1xx, without 101. */
  onInformation(status: number, fields: AnswerFields): void
  onHead(status: number, fields: AnswerFields): void
  onData(chunk: Buffer): void
}

/** What stands before a mark, and where in the newest bytes it ends with it. */
interface Found extends Lines {
  readonly end: number
}

/** The bytes are no answer to the request: nothing after them on this connection can be trusted. */
export class AnswerError extends Error {
  override readonly name = 'AnswerError'
}

const headBytesMax = 65_536
const trailerBytesMax = 16_384
const chunkHeadBytesMax = 4_096
const informationsMax = 64
/** Of a length that is said more than once. */
const lengthCharsMax = 256
const headEnd = Buffer.from('\r\n\r\n')
const lineEnd = Buffer.from('\r\n')
const statusLine = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/
const chunkHead = /^([0-9a-fA-F]{1,13})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/
const digits = /^\d{1,15}$/
const noFields = new AnswerFields()

const HEAD = 0
const LENGTH = 1
const CHUNK_HEAD = 2
const CHUNK_DATA = 3
const CHUNK_END = 4
const TRAILERS = 5
const UNTIL_CLOSE = 6
const DONE = 7

/**
 * Reads the answers of one connection, one after the other, strictly (RFC 9112): lines end with CRLF, a length is digits, a
 * length beside a coding, another coding than `chunked`, folded lines and statuses beyond 599 are refused.
 */
export class AnswerParser {
  /** The answer is complete; `begin` before the next one. */
  isComplete = true
  /** Something of the answer has come, if only a byte of it. */
  hasBegun = false
  /** The connection may carry another request after this answer. */
  isReusable = false
  /** Milliseconds that the other side will keep an idle connection, as far as it said; else Infinity. */
  keepAliveMs = Infinity
  trailers = noFields
  readonly #sink: AnswerSink
  readonly #isShared: boolean
  #state = DONE
  #isHeadRequest = false
  #partial: Buffer | null = null
  /** Of the body or the chunk. */
  #bytesLeft = 0
  #informations = 0

  /** @param isShared the bytes given to `read` are overwritten after it: what goes on must be copied. */
  constructor(sink: AnswerSink, isShared: boolean) {
    this.#sink = sink
    this.#isShared = isShared
  }

  /** Waits for the answer to a request. */
  begin(isHeadRequest: boolean): void {
    this.#state = HEAD
    this.#isHeadRequest = isHeadRequest
    this.#partial = null
    this.#informations = 0
    this.isComplete = false
    this.hasBegun = false
    this.isReusable = false
    this.keepAliveMs = Infinity
    this.trailers = noFields
  }

  /** Reads no further; for a sink that has had enough while it was called. */
  stop(): void {
    this.#state = DONE
  }

  /** @throws AnswerError */
  read(bytes: Buffer): void {
    let at = 0
    this.hasBegun = true
    while (at < bytes.length) {
      switch (this.#state) {
        case HEAD:
          at = this.#readHead(bytes, at)
          break
        case LENGTH:
        case CHUNK_DATA:
          at = this.#readCounted(bytes, at)
          break
        case UNTIL_CLOSE:
          this.#pass(bytes, at, bytes.length)
          return
        case CHUNK_HEAD:
          at = this.#readChunkHead(bytes, at)
          break
        case CHUNK_END:
          at = this.#readChunkEnd(bytes, at)
          break
        case TRAILERS:
          at = this.#readTrailers(bytes, at)
          break
        default:
          // More than was asked for: it belongs to no request.
          this.isReusable = false
          return
      }
    }
  }

  /** The other side has closed. @returns whether that was the answer's end. */
  end(): boolean {
    if (this.#state !== UNTIL_CLOSE) return false
    this.#complete()
    return true
  }

  #readHead(bytes: Buffer, at: number): number {
    const head = this.#until(headEnd, bytes, at, headBytesMax)
    if (head === null) return bytes.length
    const lineLength = head.text.indexOf('\r\n')
    const first = statusLine.exec(lineLength === -1 ? head.text : head.text.slice(0, lineLength))
    if (first === null) throw new AnswerError('a status line that is none')
    const fields = lineLength === -1 ? noFields : parseFields(head, lineLength + 2)
    if (fields === null) throw new AnswerError('a header that is none')
    this.#onHead(Number(first[2]), fields, first[1] === '1')
    return head.end
  }

  #onHead(status: number, fields: AnswerFields, isHttp11: boolean): void {
    if (status < 200) {
      if (status === 101) throw new AnswerError('an upgrade that nobody asked for')
      if (++this.#informations > informationsMax) throw new AnswerError('too many informational answers')
      this.#sink.onInformation(status, fields)
      return
    }
    if (status > 599) throw new AnswerError('a status that HTTP does not have')
    const connection = fields.get('connection')
    this.isReusable = isHttp11 && (connection === undefined || !/(?:^|[\s,])close(?:$|[\s,])/i.test(connection))
    const keepAlive = fields.get('keep-alive')
    if (keepAlive !== undefined) {
      const seconds = /timeout=(\d+)/i.exec(keepAlive)?.[1]
      if (seconds !== undefined) this.keepAliveMs = Number(seconds) * 1_000
    }
    const said = fields.get('content-length')
    const length = lengthOf(said)
    this.#state = this.#bodyState(status, fields, length, isHttp11)
    if (this.#state === UNTIL_CLOSE) this.isReusable = false
    // A length that was repeated is said once to whoever reads on.
    this.#sink.onHead(status, said?.includes(',') ? fields.with('content-length', String(length)) : fields)
    // The sink may have had enough.
    if (this.#state === LENGTH && this.#bytesLeft === 0) this.#complete()
  }

  /** RFC 9112 §6.3 */
  #bodyState(status: number, fields: AnswerFields, length: number | null, isHttp11: boolean): number {
    const coding = fields.get('transfer-encoding')
    if (coding !== undefined) {
      if (length !== null || !isHttp11) throw new AnswerError('framing that can be read in two ways')
      if (coding.toLowerCase() !== 'chunked') throw new AnswerError('an unasked coding')
    }
    this.#bytesLeft = 0
    if (this.#isHeadRequest || status === 204 || status === 304) return LENGTH
    if (coding !== undefined) return CHUNK_HEAD
    if (length === null) return UNTIL_CLOSE
    this.#bytesLeft = length
    return LENGTH
  }

  #readCounted(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#bytesLeft)
    this.#bytesLeft -= end - at
    const state = this.#state
    this.#pass(bytes, at, end)
    if (this.#bytesLeft > 0 || this.#state !== state) return end
    if (state === LENGTH) this.#complete()
    else this.#state = CHUNK_END
    return end
  }

  #readChunkHead(bytes: Buffer, at: number): number {
    const line = this.#until(lineEnd, bytes, at, chunkHeadBytesMax)
    if (line === null) return bytes.length
    const found = chunkHead.exec(line.text)
    if (found === null) throw new AnswerError('a chunk size that is none')
    this.#bytesLeft = Number.parseInt(found[1]!, 16)
    this.#state = this.#bytesLeft === 0 ? TRAILERS : CHUNK_DATA
    return line.end
  }

  #readChunkEnd(bytes: Buffer, at: number): number {
    const line = this.#until(lineEnd, bytes, at, 2)
    if (line === null) return bytes.length
    if (line.text !== '') throw new AnswerError('a chunk that is longer than it says')
    this.#state = CHUNK_HEAD
    return line.end
  }

  #readTrailers(bytes: Buffer, at: number): number {
    // An empty line ends them; where there are none it is the first.
    if (this.#partial === null && bytes[at] === 13 && bytes[at + 1] === 10) {
      this.#complete()
      return at + 2
    }
    if (this.#partial !== null && this.#partial[0] === 13 && this.#partial.length === 1 && bytes[at] === 10) {
      this.#complete()
      return at + 1
    }
    const block = this.#until(headEnd, bytes, at, trailerBytesMax)
    if (block === null) return bytes.length
    const trailers = parseFields(block, 0)
    if (trailers === null) throw new AnswerError('a trailer that is none')
    this.trailers = trailers
    this.#complete()
    return block.end
  }

  /** The text up to the mark, and where it ends; null = keep what there is, the mark has not come yet. */
  #until(mark: Buffer, bytes: Buffer, at: number, bytesMax: number): Found | null {
    const before = this.#partial
    if (before === null) {
      const found = bytes.indexOf(mark, at)
      if (found !== -1 && found - at <= bytesMax)
        return { bytes, start: at, text: bytes.toString('latin1', at, found), end: found + mark.length }
      if (found !== -1 || bytes.length - at > bytesMax) throw new AnswerError('a line that does not end')
      this.#partial = Buffer.from(bytes.subarray(at))
      return null
    }
    const joined = Buffer.concat([before, bytes.subarray(at)])
    const found = joined.indexOf(mark, Math.max(0, before.length - mark.length + 1))
    if (found > bytesMax || (found === -1 && joined.length > bytesMax))
      throw new AnswerError('a line that does not end')
    this.#partial = found === -1 ? joined : null
    return found === -1
      ? null
      : {
          bytes: joined,
          start: 0,
          text: joined.toString('latin1', 0, found),
          end: at + found + mark.length - before.length,
        }
  }

  #pass(bytes: Buffer, start: number, end: number): void {
    if (!this.#isShared) {
      this.#sink.onData(bytes.subarray(start, end))
      return
    }
    const copy = Buffer.allocUnsafe(end - start)
    bytes.copy(copy, 0, start, end)
    this.#sink.onData(copy)
  }

  #complete(): void {
    this.#state = DONE
    this.isComplete = true
  }
}

/** @throws AnswerError for what is no length, or two different ones. */
function lengthOf(value: string | undefined): number | null {
  if (value === undefined) return null
  if (digits.test(value)) return Number(value)
  // Blanks by the thousand would take seconds to be looked through.
  if (value.length > lengthCharsMax) throw new AnswerError('a length that does not end')
  const [first = '', ...others] = value.split(/[\t ]*,[\t ]*/)
  if (!digits.test(first) || others.some((other) => other !== first)) throw new AnswerError('a length that is none')
  return Number(first)
}
