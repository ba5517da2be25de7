import type { SnapshotPointer } from '@apigate/contracts'
import type { ConfigFeedReader, Logger } from '@apigate/platform'
import type { SnapshotCopy, SnapshotDisk } from './snapshot.disk.ts'
import { checkSnapshot } from './snapshot.reader.ts'

/** Keeps the copy of the newest good snapshot on disk, one copy at a time. A disk that fails costs the copy, nothing else. */
export class SnapshotCopier {
  readonly #feed: ConfigFeedReader
  readonly #disk: SnapshotDisk
  readonly #log: Logger
  readonly #closing: AbortSignal
  #copied: SnapshotPointer | null = null
  #copying = Promise.resolve()

  constructor(feed: ConfigFeedReader, disk: SnapshotDisk, log: Logger, closing: AbortSignal) {
    this.#feed = feed
    this.#disk = disk
    this.#log = log
    this.#closing = closing
  }

  /** Resolves when no copy is being made. */
  async finished(): Promise<void> {
    await this.#copying
  }

  /** A copy of a snapshot that is being read anyway; null when the disk does not take one. */
  async begin(pointer: SnapshotPointer): Promise<SnapshotCopy | null> {
    try {
      return await this.#disk.begin(pointer)
    } catch (error) {
      this.#log.warn({ err: error }, 'no copy of the snapshot on disk')
      return null
    }
  }

  /** In the background: a disk may take seconds, and nobody waits for it. */
  commit(copy: SnapshotCopy | null, pointer: SnapshotPointer): void {
    this.#copying = this.#commit(copy, pointer)
  }

  /** Copies the newest snapshot, if it is of this epoch and not there yet. In the background. */
  renew(pointer: SnapshotPointer): void {
    this.#copying = this.#copying.then(() => this.#renew(pointer))
  }

  async #renew({ sha256, epoch }: SnapshotPointer): Promise<void> {
    if (this.#copied?.sha256 === sha256 || this.#closing.aborted) return
    try {
      const snapshot = await this.#feed.latestSnapshot()
      if (snapshot === null || snapshot.pointer.epoch !== epoch) return
      const copy = await this.begin(snapshot.pointer)
      if (copy === null) return
      try {
        await checkSnapshot(snapshot.pointer, copy.keep(this.#untilClosing(snapshot.body)))
      } catch (error) {
        await copy.discard()
        throw error
      }
      await this.#commit(copy, snapshot.pointer)
    } catch (error) {
      this.#log.warn({ err: error }, 'the newest snapshot could not be copied to disk')
    }
  }

  async #commit(copy: SnapshotCopy | null, pointer: SnapshotPointer): Promise<void> {
    if (copy === null) return
    try {
      await copy.commit()
      this.#copied = pointer
    } catch (error) {
      this.#log.warn({ err: error }, 'no copy of the snapshot on disk')
    }
  }

  async *#untilClosing(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of body) {
      this.#closing.throwIfAborted()
      yield chunk
    }
  }
}
