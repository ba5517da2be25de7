import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { snapshotHeaderSchema, type SnapshotHeader, type SnapshotPointer } from '@apigate/contracts'
import type { ConfigItem } from '@apigate/core'

export class SnapshotError extends Error {
  override readonly name = 'SnapshotError'
}

/**
 * Reads a snapshot's compressed body, which may be hundreds of megabytes unpacked: a chunk at a time, so that requests
 * are answered in between.
 *
 * @throws SnapshotError when the body is not what the pointer names, or torn; items may have been given out by then, so
 *   what was built of them must be thrown away.
 */
export async function readSnapshot(
  pointer: SnapshotPointer,
  body: AsyncIterable<Uint8Array>,
  onItem: (item: ConfigItem) => void,
): Promise<void> {
  const sha256 = createHash('sha256')
  let header: SnapshotHeader | null = null
  let items = 0

  function onLine(line: string): void {
    if (header !== null) {
      items += 1
      onItem(JSON.parse(line) as ConfigItem)
      return
    }
    header = snapshotHeaderSchema.parse(JSON.parse(line))
    if (header.epoch !== pointer.epoch || header.revision !== pointer.revision) {
      throw new Error('its header names another revision')
    }
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
      createGunzip(),
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

async function eachLine(unpacked: AsyncIterable<Buffer>, onLine: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of unpacked) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  }
  if (rest !== '') onLine(rest)
}
