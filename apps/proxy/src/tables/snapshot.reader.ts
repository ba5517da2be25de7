import { createHash, type Hash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { setImmediate as immediate } from 'node:timers/promises'
import { constants, createGunzip, gunzipSync } from 'node:zlib'
import { snapshotHeaderSchema, type SnapshotHeader, type SnapshotPointer } from '@apigate/contracts'
import type { ConfigItem } from '@apigate/core'

export class SnapshotError extends Error {
  override readonly name = 'SnapshotError'
}

/** Of what is unpacked, in one turn of the event loop: some hundred keys, which take a millisecond or two. */
const turnBytes = 64 * 1024
/**
 * Ahead of what is taken in: unpacking is the work of another thread. Each chunk is a message between the two; as objects, for
 * bytes that wait would be copied into one piece.
 */
const unpacking = { chunkSize: 8 * turnBytes, readableObjectMode: true, readableHighWaterMark: 3 }
/** Of a body that is handed to that thread at a time: each hand-over costs as much as some hundred keys. */
const pieceBytes = 1 << 20
const lineFeed = 0x0a

/** Who takes what a snapshot holds. */
export interface SnapshotSink {
  /** Before the first item: how many there will be. */
  expect(items: number): void
  /** Takes the item on the line at `start` and says where its line feed is, or -1: then it is parsed and given to `apply`. */
  applyLine(bytes: Uint8Array, start: number): number
  apply(item: ConfigItem): void
}

/**
 * Reads a snapshot's compressed body, which may be hundreds of megabytes unpacked, a slice to a turn of the event loop.
 *
 * @param isServing whether requests are answered in between; else turns may be long
 * @throws SnapshotError when the body is not what the pointer names, or torn; items may have been given out by then, so
 *   what was built of them must be thrown away.
 */
export async function readSnapshot(
  pointer: SnapshotPointer,
  body: AsyncIterable<Uint8Array>,
  sink: SnapshotSink,
  isServing = true,
): Promise<void> {
  const sha256 = createHash('sha256')
  let header: SnapshotHeader | null = null
  let items = 0

  /** @returns where the line feed of the line is, or -1 when there is none yet. */
  function takeLine(bytes: Buffer, start: number): number {
    const taken = header === null ? -1 : sink.applyLine(bytes, start)
    const end = taken === -1 ? bytes.indexOf(lineFeed, start) : taken
    if (end === -1) return -1
    if (header === null) {
      header = readHeader(bytes.toString('utf8', start, end), pointer)
      sink.expect(header.items)
      return end
    }
    items += 1
    if (taken === -1) sink.apply(JSON.parse(bytes.toString('utf8', start, end)) as ConfigItem)
    return end
  }

  await orNotUsable(pointer, async () => {
    await pipeline(hashed(body, sha256), createGunzip(unpacking), (unpacked) =>
      eachLine(unpacked as AsyncIterable<Buffer>, takeLine, isServing ? turnBytes : Infinity),
    )
    checkHash(sha256, pointer)
    const expected = header?.items
    if (items !== expected) throw new Error(`it is torn: ${items} items of ${expected ?? 'an unknown number'}`)
  })
}

/**
 * Reads a body through without taking anything in: whether it is what the pointer names, which its publisher has made
 * whole, and of a version that is known here. Unpacks no more than its beginning.
 *
 * @throws SnapshotError when it is not.
 */
export async function checkSnapshot(pointer: SnapshotPointer, body: AsyncIterable<Uint8Array>): Promise<void> {
  const sha256 = createHash('sha256')
  let isKnown = false
  let head: Buffer = Buffer.alloc(0)
  await orNotUsable(pointer, async () => {
    for await (const chunk of hashed(body, sha256)) {
      if (isKnown) continue
      head = Buffer.concat([head, chunk])
      const text = gunzipSync(head.subarray(0, turnBytes), { finishFlush: constants.Z_SYNC_FLUSH })
      const end = text.indexOf(lineFeed)
      if (end === -1 && head.length < turnBytes) continue
      readHeader(text.toString('utf8', 0, end), pointer)
      isKnown = true
    }
    checkHash(sha256, pointer)
    if (!isKnown) throw new Error('it has no header')
  })
}

function readHeader(line: string, pointer: SnapshotPointer): SnapshotHeader {
  const head = JSON.parse(line) as Partial<SnapshotHeader>
  if (head.v !== 1) throw new Error(`it is of version ${String(head.v)}, which this worker does not know`)
  const header = snapshotHeaderSchema.parse(head)
  if (header.epoch !== pointer.epoch || header.revision !== pointer.revision) {
    throw new Error('its header names another revision')
  }
  return header
}

/** The body in large pieces. */
async function* hashed(body: AsyncIterable<Uint8Array>, sha256: Hash): AsyncGenerator<Uint8Array, void, undefined> {
  let piece: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    sha256.update(chunk)
    piece.push(chunk)
    bytes += chunk.byteLength
    if (bytes < pieceBytes) continue
    yield piece.length === 1 ? chunk : Buffer.concat(piece)
    piece = []
    bytes = 0
  }
  if (bytes > 0) yield Buffer.concat(piece)
}

function checkHash(sha256: Hash, pointer: SnapshotPointer): void {
  if (sha256.digest('hex') !== pointer.sha256) throw new Error('it is not the body that the pointer names')
}

async function orNotUsable(pointer: SnapshotPointer, read: () => Promise<void>): Promise<void> {
  try {
    await read()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new SnapshotError(`snapshot ${pointer.revision} is not usable: ${reason}`, { cause: error })
  }
}

async function eachLine(
  unpacked: AsyncIterable<Buffer>,
  takeLine: (bytes: Buffer, start: number) => number,
  bytesPerTurn: number,
): Promise<void> {
  /** The beginning of a line whose end is in a later chunk. */
  let rest: Buffer[] = []
  for await (const chunk of unpacked) {
    let start = 0
    if (rest.length > 0) {
      const end = chunk.indexOf(lineFeed)
      if (end === -1) {
        rest.push(Buffer.from(chunk))
        giveBack(chunk)
        continue
      }
      start = end + 1
      takeLine(Buffer.concat([...rest, chunk.subarray(0, start)]), 0)
      rest = []
    }
    let turnEnd = bytesPerTurn
    for (let end = takeLine(chunk, start); end !== -1; end = takeLine(chunk, start)) {
      start = end + 1
      if (start < turnEnd) continue
      await immediate()
      turnEnd = start + bytesPerTurn
    }
    if (start < chunk.length) rest.push(Buffer.from(chunk.subarray(start)))
    giveBack(chunk)
    await immediate()
  }
  if (rest.length > 0) takeLine(Buffer.concat([...rest, Buffer.of(lineFeed)]), 0)
}

/**
 * Frees the memory of a chunk that fills its buffer, behind which unpacking goes on in another. Left to the garbage collector,
 * hundreds of megabytes of them make it run some twenty times.
 */
function giveBack({ buffer, byteOffset, length }: Buffer): void {
  const isFilled = buffer.byteLength === unpacking.chunkSize && byteOffset + length === unpacking.chunkSize
  if (isFilled) (buffer as ArrayBuffer).transfer(0)
}
