import { changeMessageSchema, snapshotPointerSchema, type SnapshotPointer } from '@apigate/contracts'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Objm } from '@nats-io/obj'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Logger } from '../../logger.ts'
import { deliverChange } from '../change.delivery.ts'
import { parseMessage } from '../message.check.ts'
import { within } from '../retry.ts'
import type { Closeable, ConfigFeedHandlers, ConfigFeedReader, Snapshot } from '../transport.ts'
import { NatsLink } from './nats.link.ts'
import type { NatsNames } from './nats.names.ts'
import { readPointer } from './snapshot.pointer.ts'
import { isStreamNotFound, StreamFollower } from './stream.follower.ts'

const chunkTimeoutMs = 10_000
/** Of 256 KiB each. */
const chunksAhead = 16

/** The config feed from JetStream. Stream, bucket and store need not be there yet; the writer makes them. */
export class NatsConfigFeedReader implements ConfigFeedReader {
  readonly #link: NatsLink
  readonly #follows = new Set<Closeable>()

  constructor(
    natsUrl: string,
    private readonly names: NatsNames,
    private readonly log: Logger,
  ) {
    this.#link = new NatsLink(natsUrl, 'apigate-config-reader', log)
  }

  async latestSnapshot(): Promise<Snapshot | null> {
    const connection = await this.#link.connection()
    const manager = await jetstreamManager(connection, { checkAPI: false })
    const { pointer } = await readPointer(manager, this.names, this.log)
    if (pointer === null) return null
    const chunks = await this.#chunks(connection, pointer)
    return { pointer, body: chunksOf(connection, `OBJ_${this.names.snapshotStore}`, chunks) }
  }

  follow(_revision: number, handlers: ConfigFeedHandlers): Promise<Closeable> {
    // The stream is short, as it is trimmed behind the second newest snapshot, so it is read from its start: revisions of
    // different epochs have no order by which to skip some.
    const { changeStream, change, pointerStream, pointerSubject } = this.names
    const parts: Closeable[] = [
      this.#link.onConnected((connected) => handlers.onConnected(connected)),
      new StreamFollower(
        this.#link,
        changeStream,
        change,
        (message) => {
          const parsed = parseMessage(changeMessageSchema, message.string(), changeStream, this.log)
          if (parsed !== null) deliverChange(parsed, handlers, 'nats')
        },
        this.log,
        () => handlers.onCaughtUp(),
      ),
      // Not the KV client's watch: that one ends with the bucket.
      new StreamFollower(
        this.#link,
        pointerStream,
        pointerSubject,
        (message) => {
          // The bucket keeps more than the newest (`pointerHistory`).
          if (message.info.pending > 0) return
          const parsed = parseMessage(snapshotPointerSchema, message.string(), pointerStream, this.log)
          if (parsed !== null) handlers.onSnapshot(parsed)
        },
        this.log,
      ),
    ]
    const follow: Closeable = {
      close: async () => {
        this.#follows.delete(follow)
        await Promise.all(parts.map((part) => part.close()))
      },
    }
    this.#follows.add(follow)
    return Promise.resolve(follow)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#follows].map((follow) => follow.close()))
    await this.#link.close()
  }

  /** Where the chunks of a snapshot's body lie. */
  async #chunks(connection: NatsConnection, pointer: SnapshotPointer): Promise<{ subject: string; count: number }> {
    const { snapshotStore } = this.names
    try {
      const store = await new Objm(connection).open(snapshotStore, false)
      const info = await store.info(pointer.sha256)
      if (info !== null && !info.deleted) return { subject: `$O.${snapshotStore}.C.${info.nuid}`, count: info.chunks }
    } catch (error) {
      if (!isStreamNotFound(error)) throw error
    }
    throw new Error(`the body of snapshot ${pointer.revision} is gone from the object store`)
  }
}

/**
 * The chunks of an object. Read from the store's stream: its client hashes every byte in JavaScript, a second for the snapshot of
 * a million keys, which whoever reads the body holds against the pointer anyway. Chunks that were deleted meanwhile (two newer
 * snapshots came) never come: a pause is an error.
 */
async function* chunksOf(
  connection: NatsConnection,
  stream: string,
  { subject, count }: { subject: string; count: number },
): AsyncGenerator<Uint8Array, void> {
  if (count === 0) return
  const consumer = await jetstream(connection).consumers.get(stream, { filter_subjects: subject })
  const messages = await consumer.consume({ max_messages: chunksAhead, expires: chunkTimeoutMs })
  try {
    const reader = messages[Symbol.asyncIterator]()
    for (let left = count; left > 0; left--) {
      const { done, value } = await within(chunkTimeoutMs, reader.next(), 'the snapshot stopped coming')
      if (done === true) throw new Error('the snapshot stopped coming')
      yield value.data
    }
  } finally {
    messages.stop()
  }
}
