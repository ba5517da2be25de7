import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { ChangeMessage, SnapshotPointer } from '@apigate/contracts'
import type { ConfigItem, ConfigKind } from '@apigate/core'
import type { Closeable, ConfigFeedHandlers, ConfigFeedReader, Snapshot } from '@apigate/platform'

const order: ConfigKind[] = ['plan', 'user', 'group', 'upstream', 'route', 'key']

/** A snapshot's pointer and body, as the control plane makes them. */
export function packSnapshot(
  epoch: string,
  revision: number,
  items: readonly ConfigItem[],
): { pointer: SnapshotPointer; body: Buffer } {
  const sorted = items.toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
  const header = { v: 1, epoch, revision, atMs: 0, items: sorted.length }
  const body = gzipSync([header, ...sorted].map((line) => `${JSON.stringify(line)}\n`).join(''))
  const sha256 = createHash('sha256').update(body).digest('hex')
  return { pointer: { v: 1, epoch, revision, sha256, bytes: body.length, atMs: 0 }, body }
}

/** A configuration feed in memory, with its faults at hand. */
export class FakeFeed implements ConfigFeedReader {
  epoch = 'epoch-1'
  revision = 0
  /** What `latestSnapshot` gives; an error to throw. */
  snapshot: { pointer: SnapshotPointer; body: Uint8Array } | Error | null = null
  snapshotReads = 0
  /** Whether it tells by itself that it has given everything. */
  tellsEnd = true
  readonly follows: { revision: number; handlers: ConfigFeedHandlers; isClosed: boolean }[] = []
  readonly #changes: ChangeMessage[] = []

  /** Puts a snapshot of these items at the current revision and announces it. */
  putSnapshot(items: readonly ConfigItem[]): void {
    const packed = packSnapshot(this.epoch, this.revision, items)
    this.snapshot = packed
    for (const { handlers, isClosed } of this.follows) if (!isClosed) handlers.onSnapshot(packed.pointer)
  }

  /** Sends a change as the next revision. */
  publish(...items: ConfigItem[]): number {
    this.revision += 1
    this.send({ v: 1, epoch: this.epoch, revision: this.revision, part: 0, parts: 1, atMs: 0, items })
    return this.revision
  }

  send(message: ChangeMessage): void {
    this.#changes.push(message)
    for (const { handlers, isClosed } of this.follows) if (!isClosed) handlers.onChange(message)
  }

  latestSnapshot(): Promise<Snapshot | null> {
    this.snapshotReads += 1
    if (this.snapshot instanceof Error) return Promise.reject(this.snapshot)
    if (this.snapshot === null) return Promise.resolve(null)
    const { pointer, body } = this.snapshot
    return Promise.resolve({ pointer, body: inChunks(body) })
  }

  follow(revision: number, handlers: ConfigFeedHandlers): Promise<Closeable> {
    const follow = { revision, handlers, isClosed: false }
    this.follows.push(follow)
    // From its start, as the stream of NATS is read.
    for (const message of this.#changes) handlers.onChange(message)
    if (this.snapshot !== null && !(this.snapshot instanceof Error)) handlers.onSnapshot(this.snapshot.pointer)
    handlers.onConnected(!(this.snapshot instanceof Error))
    if (this.tellsEnd) handlers.onCaughtUp()
    return Promise.resolve({
      close() {
        follow.isClosed = true
        return Promise.resolve()
      },
    })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

async function* inChunks(body: Uint8Array): AsyncGenerator<Uint8Array, void> {
  for (let start = 0; start < body.length; start += 512) yield body.subarray(start, start + 512)
}
