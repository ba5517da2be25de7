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

  /** A copy of a snapshot that is being read anyway. Nobody waits for the disk. */
  begin(pointer: SnapshotPointer): SnapshotCopy {
    return this.#disk.begin(pointer, this.#copying)
  }

  /** In the background: a disk may take seconds. */
  commit(copy: SnapshotCopy | null, pointer: SnapshotPointer): void {
    if (copy !== null) this.#copying = this.#commit(copy, pointer)
  }

  /** In the background, too. */
  discard(copy: SnapshotCopy | null): void {
    if (copy !== null) this.#copying = copy.discard()
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
      const copy = this.#disk.begin(snapshot.pointer, Promise.resolve())
      try {
        await checkSnapshot(snapshot.pointer, this.#written(copy, snapshot.body))
      } catch (error) {
        await copy.discard()
        throw error
      }
      await this.#commit(copy, snapshot.pointer)
    } catch (error) {
      if (this.#closing.aborted) return
      this.#log.warn({ err: error }, 'the newest snapshot could not be copied to disk')
    }
  }

  async #commit(copy: SnapshotCopy, pointer: SnapshotPointer): Promise<void> {
    try {
      await copy.commit()
      this.#copied = pointer
    } catch (error) {
      this.#log.warn({ err: error }, 'no copy of the snapshot on disk')
      // At the disk's own pace then.
      if (copy.isTooSlow) await this.#renew(pointer)
    }
  }

  /** At the disk's pace. */
  async *#written(copy: SnapshotCopy, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of body) {
      this.#closing.throwIfAborted()
      await copy.write(chunk)
      yield chunk
    }
  }
}
