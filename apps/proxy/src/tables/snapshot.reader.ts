import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { setImmediate as immediate } from 'node:timers/promises'
import { createGunzip } from 'node:zlib'
import { snapshotHeaderSchema, type SnapshotHeader, type SnapshotPointer } from '@apigate/contracts'
import type { ConfigItem } from '@apigate/core'

export class SnapshotError extends Error {
  override readonly name = 'SnapshotError'
}

/** Of what is unpacked: some hundred keys, which take a millisecond or two. */
const chunkBytes = 64 * 1024
/** Ahead of what is taken in: unpacking is the work of another thread. */
const unpacking = { chunkSize: chunkBytes, highWaterMark: 16 * chunkBytes }
const lineFeed = 0x0a

/** Who takes what a snapshot holds. */
export interface SnapshotSink {
  /** Before the first item: how many there will be. */
  expect(items: number): void
  /** Takes the item on the line from `start` to `end`, or answers false: then it is parsed and given to `apply`. */
  applyLine(bytes: Uint8Array, start: number, end: number): boolean
  apply(item: ConfigItem): void
}

/**
 * Reads a snapshot's compressed body, which may be hundreds of megabytes unpacked: a chunk at a time, so that requests
 * are answered in between.
 *
 * @param sink null = only to check it
 * @throws SnapshotError when the body is not what the pointer names, or torn; items may have been given out by then, so
 *   what was built of them must be thrown away.
 */
export async function readSnapshot(
  pointer: SnapshotPointer,
  body: AsyncIterable<Uint8Array>,
  sink: SnapshotSink | null,
): Promise<void> {
  const sha256 = createHash('sha256')
  let header: SnapshotHeader | null = null
  let items = 0

  function onLine(bytes: Buffer, start: number, end: number): void {
    if (header !== null) {
      items += 1
      if (sink === null || sink.applyLine(bytes, start, end)) return
      sink.apply(JSON.parse(bytes.toString('utf8', start, end)) as ConfigItem)
      return
    }
    const head = JSON.parse(bytes.toString('utf8', start, end)) as Partial<SnapshotHeader>
    if (head.v !== 1) throw new Error(`it is of version ${String(head.v)}, which this worker does not know`)
    header = snapshotHeaderSchema.parse(head)
    if (header.epoch !== pointer.epoch || header.revision !== pointer.revision) {
      throw new Error('its header names another revision')
    }
    sink?.expect(header.items)
  }

  try {
    await pipeline(
      body,
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          sha256.update(chunk)
          yield chunk
        }
      },
      createGunzip(unpacking),
      (unpacked) => eachLine(unpacked as AsyncIterable<Buffer>, onLine),
    )
    if (sha256.digest('hex') !== pointer.sha256) throw new Error('it is not the body that the pointer names')
    const expected = (header as SnapshotHeader | null)?.items
    if (items !== expected) throw new Error(`it is torn: ${items} items of ${expected ?? 'an unknown number'}`)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new SnapshotError(`snapshot ${pointer.revision} is not usable: ${reason}`, { cause: error })
  }
}

async function eachLine(
  unpacked: AsyncIterable<Buffer>,
  onLine: (bytes: Buffer, start: number, end: number) => void,
): Promise<void> {
  /** The beginning of a line whose end is in a later chunk. */
  let rest: Buffer[] = []
  for await (const chunk of unpacked) {
    let start = 0
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
      if (rest.length === 0) onLine(chunk, start, end)
      else {
        const line = Buffer.concat([...rest, chunk.subarray(0, end)])
        rest = []
        onLine(line, 0, line.length)
      }
      start = end + 1
    }
    if (start < chunk.length) rest.push(chunk.subarray(start))
    await immediate()
  }
  const line = Buffer.concat(rest)
  if (line.length > 0) onLine(line, 0, line.length)
}
