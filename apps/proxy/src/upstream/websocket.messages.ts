const headBytesMax = 14

/**
 * Counts the messages of one direction of a WebSocket while its bytes pass (RFC 6455 §5.2): data frames that end one.
 * Nothing is kept but the head of the frame that is arriving.
 */
export class WebSocketMessages {
  /** Whole messages so far. */
  count = 0
  readonly #head = new Uint8Array(headBytesMax)
  #headBytes = 0
  #payloadBytes = 0
  #endsMessage = false

  read(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#payloadBytes > 0) {
        const taken = Math.min(this.#payloadBytes, chunk.length - at)
        at += taken
        this.#payloadBytes -= taken
      } else {
        this.#head[this.#headBytes] = chunk[at]!
        this.#headBytes += 1
        at += 1
        if (this.#headBytes < this.#headLength()) continue
        this.#readHead()
      }
      if (this.#payloadBytes === 0 && this.#endsMessage) {
        this.count += 1
        this.#endsMessage = false
      }
    }
  }

  /** As far as the bytes that are here tell. */
  #headLength(): number {
    if (this.#headBytes < 2) return 2
    const second = this.#head[1]!
    const length = second & 0x7f
    return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (second >= 0x80 ? 4 : 0)
  }

  #readHead(): void {
    const head = this.#head
    const length = head[1]! & 0x7f
    const view = new DataView(head.buffer)
    this.#payloadBytes = length === 126 ? view.getUint16(2) : length === 127 ? Number(view.getBigUint64(2)) : length
    const first = head[0]!
    const isControl = (first & 0x08) !== 0
    this.#endsMessage = first >= 0x80 && !isControl
    this.#headBytes = 0
  }
}
