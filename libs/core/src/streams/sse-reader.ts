export interface SseEvent {
  /** `message` where the stream names none. */
  type: string
  /** Its `data` lines, joined with LF; null when they are longer than `eventDataCharsMax`. */
  data: string | null
}

/** Characters of one event's data, and of one line. */
export const eventDataCharsMax = 1_048_576

const CR = 0x0d
const LF = 0x0a

/**
 * Reads an event stream as it comes, in pieces of any size (WHATWG HTML §9.2.6): lines end with LF, CR or CRLF, one byte
 * order mark at the start is passed over, an event ends at an empty line, and what follows the last one is no event.
 * Pieces are decoded text: a `TextDecoder` with `stream: true` keeps characters whole.
 */
export class SseReader {
  readonly #onEvent: (event: SseEvent) => void
  #isAtStart = true
  /** The LF of a CRLF may come with the next piece. */
  #hasSeenCr = false
  #line = ''
  #isLineTooLong = false
  #type = ''
  #data: string | null = null
  #isDataTooLong = false

  constructor(onEvent: (event: SseEvent) => void) {
    this.#onEvent = onEvent
  }

  push(text: string): void {
    let start = 0
    if (this.#isAtStart && text !== '') {
      this.#isAtStart = false
      if (text.charCodeAt(0) === 0xfeff) start = 1
    }
    for (let i = start; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code !== LF && code !== CR) {
        this.#hasSeenCr = false
        continue
      }
      if (code === LF && this.#hasSeenCr) {
        this.#hasSeenCr = false
      } else {
        this.#keep(text, start, i)
        this.#endLine()
        this.#hasSeenCr = code === CR
      }
      start = i + 1
    }
    this.#keep(text, start, text.length)
  }

  #keep(text: string, start: number, end: number): void {
    if (this.#isLineTooLong || start === end) return
    if (this.#line.length + end - start > eventDataCharsMax) {
      // What the field is can be told from the beginning.
      this.#line = (this.#line + text.slice(start, start + 16)).slice(0, 16)
      this.#isLineTooLong = true
    } else {
      this.#line += text.slice(start, end)
    }
  }

  #endLine(): void {
    const line = this.#line
    const isTooLong = this.#isLineTooLong
    this.#line = ''
    this.#isLineTooLong = false
    if (line === '') {
      this.#endEvent()
      return
    }
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    if (field === 'data') {
      this.#addData(valueAfter(line, colon), isTooLong)
    } else if (field === 'event' && !isTooLong) {
      this.#type = valueAfter(line, colon)
    }
    // `id` and `retry` are for clients that connect again; everything else is a comment or unknown.
  }

  #addData(value: string, isTooLong: boolean): void {
    const before = this.#data
    const length = before === null ? value.length : before.length + 1 + value.length
    if (isTooLong || length > eventDataCharsMax) this.#isDataTooLong = true
    this.#data = this.#isDataTooLong ? '' : before === null ? value : `${before}\n${value}`
  }

  #endEvent(): void {
    const data = this.#data
    const type = this.#type
    const isTooLong = this.#isDataTooLong
    this.#data = null
    this.#type = ''
    this.#isDataTooLong = false
    if (data !== null) this.#onEvent({ type: type === '' ? 'message' : type, data: isTooLong ? null : data })
  }
}

/** One space behind the colon belongs to the format. */
function valueAfter(line: string, colon: number): string {
  if (colon === -1) return ''
  return line.slice(line.charCodeAt(colon + 1) === 0x20 ? colon + 2 : colon + 1)
}
