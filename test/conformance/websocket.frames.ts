/** RFC 6455 §5.2 */
export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

interface FrameOptions {
  fin?: boolean
  /** The three reserved bits. */
  rsv?: number
}

/** Head of a client's frame, with a mask of zeros, so that the payload stands as it is. */
export function headOfFrame(opcode: number, length: number, { fin = true, rsv = 0 }: FrameOptions = {}): Buffer {
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode
  const mask = [0, 0, 0, 0]
  if (length < 126) return Buffer.from([first, 0x80 | length, ...mask])
  const extended = Buffer.alloc(length < 65_536 ? 2 : 8)
  if (length < 65_536) extended.writeUInt16BE(length)
  else extended.writeBigUInt64BE(BigInt(length))
  return Buffer.from([first, 0x80 | (length < 65_536 ? 126 : 127), ...extended, ...mask])
}

export function dataFrame(opcode: number, payload: Buffer, options: FrameOptions = {}): Buffer {
  return Buffer.concat([headOfFrame(opcode, payload.length, options), payload])
}

export function closeFrame(code: number | null, reason: Buffer): Buffer {
  const head = code === null ? [] : [code >> 8, code & 255]
  return dataFrame(opcodes.close, Buffer.concat([Buffer.from(head), reason]))
}

/** Reads a server's frames; the fragments of a message come as one. */
export class FrameReader {
  readonly #onFrame: (opcode: number, payload: Buffer) => void
  #bytes = Buffer.alloc(0)
  #message: Buffer[] = []
  #messageOpcode = 0

  constructor(onFrame: (opcode: number, payload: Buffer) => void) {
    this.#onFrame = onFrame
  }

  read(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    for (let taken = this.#frame(); taken > 0; taken = this.#frame()) this.#bytes = this.#bytes.subarray(taken)
  }

  /** Bytes of the first frame; 0 = it is not all there. */
  #frame(): number {
    const bytes = this.#bytes
    if (bytes.length < 2) return 0
    const short = bytes[1]! & 127
    const start = short === 126 ? 4 : short === 127 ? 10 : 2
    if (bytes.length < start) return 0
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short
    if (bytes.length < start + length) return 0
    this.#take(bytes[0]! & 15, bytes[0]! >= 0x80, bytes.subarray(start, start + length))
    return start + length
  }

  #take(opcode: number, isLast: boolean, payload: Buffer): void {
    if (opcode >= opcodes.close) {
      this.#onFrame(opcode, payload)
      return
    }
    if (opcode !== opcodes.continuation) this.#messageOpcode = opcode
    this.#message.push(payload)
    if (!isLast) return
    const message = Buffer.concat(this.#message)
    this.#message = []
    this.#onFrame(this.#messageOpcode, message)
  }
}
