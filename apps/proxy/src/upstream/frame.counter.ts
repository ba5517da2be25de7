/**
 * Counts the messages of one direction of a WebSocket from its bytes (RFC 6455 §5.2), which it leaves as they are. A message
 * may come in several frames, control frames (Close, Ping, Pong) are none, and whether a payload is compressed does not
 * matter. Of bytes that are no frames it makes what they look like: the two ends will find out.
 */
export class FrameCounter {
  /** Whole ones. */
  messages = 0
  /** Of the frame's head, at most 14 bytes. */
  readonly #head = new Uint8Array(14)
  #headBytes = 0
  #headNeeded = 2
  #payloadLeft = 0

  /** The next byte begins a frame. */
  get isAtBoundary(): boolean {
    return this.#headBytes === 0 && this.#payloadLeft === 0
  }

  /** @returns how many of these bytes come before the next boundary, that is 0 at a boundary; all of them if there is none. */
  bytesToBoundary(bytes: Uint8Array): number {
    if (this.isAtBoundary) return 0
    const copy = new FrameCounter()
    copy.#head.set(this.#head)
    copy.#headBytes = this.#headBytes
    copy.#headNeeded = this.#headNeeded
    copy.#payloadLeft = this.#payloadLeft
    return copy.#frame(bytes, 0)
  }

  read(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at = this.#frame(bytes, at)
  }

  /** Reads to the end of a frame or of the bytes. @returns where that is. */
  #frame(bytes: Uint8Array, start: number): number {
    let at = start
    while (this.#payloadLeft === 0 && at < bytes.length) {
      this.#head[this.#headBytes++] = bytes[at++]!
      if (this.#headBytes === 2) this.#headNeeded = headLength(this.#head[1]!)
      if (this.#headBytes < this.#headNeeded) continue
      this.#payloadLeft = this.#payloadLength()
      if (this.#payloadLeft > 0) break
      this.#end()
      return at
    }
    const taken = Math.min(this.#payloadLeft, bytes.length - at)
    this.#payloadLeft -= taken
    if (taken > 0 && this.#payloadLeft === 0) this.#end()
    return at + taken
  }

  #payloadLength(): number {
    const short = this.#head[1]! & 127
    if (short < 126) return short
    let length = 0
    for (let i = 2; i < (short === 126 ? 4 : 10); i++) length = length * 256 + this.#head[i]!
    return length
  }

  #end(): void {
    const first = this.#head[0]!
    const isControl = (first & 8) !== 0
    const isFinal = (first & 128) !== 0
    if (isFinal && !isControl) this.messages += 1
    this.#headBytes = 0
    this.#headNeeded = 2
  }
}

function headLength(second: number): number {
  const short = second & 127
  return 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (second >= 128 ? 4 : 0)
}
