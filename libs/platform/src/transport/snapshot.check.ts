import { createHash } from 'node:crypto'
import type { SnapshotPointer } from '@apigate/contracts'

/** Passes a snapshot's body on and checks it against its pointer; throws after the last chunk when it is not the same. */
export async function* checkBody(
  pointer: SnapshotPointer,
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of body) {
    hash.update(chunk)
    bytes += chunk.byteLength
    yield chunk
  }
  if (bytes !== pointer.bytes || hash.digest('hex') !== pointer.sha256) {
    throw new Error(`the body of snapshot ${pointer.revision} is damaged: ${bytes} of ${pointer.bytes} bytes`)
  }
}
