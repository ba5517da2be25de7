import { changeMessageSchema, type ChangeMessage, type SnapshotPointer } from '@apigate/contracts'
import { jetstream, jetstreamManager, RetentionPolicy, StorageType, type JetStreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { Objm, setSha256Backend, type ObjectStore } from '@nats-io/obj'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Logger } from '../../logger.ts'
import { parseTraceparent, traceparentOf } from '../../telemetry/trace-context.ts'
import { currentTracing, inSpan } from '../../telemetry/tracing.ts'
import { messageAttributes } from '../change.delivery.ts'
import { parseMessage } from '../message.check.ts'
import type { ConfigFeedWriter, FeedHead } from '../transport.ts'
import { lastBehind } from './change.trim.ts'
import { NatsLink } from './nats.link.ts'
import type { NatsNames } from './nats.names.ts'
import { lastMessage, pointerHistory, readPointer } from './snapshot.pointer.ts'
import { isStreamNotFound } from './stream.follower.ts'

const chunkBytes = 256 * 1024

// The client's own is JavaScript: a second for the snapshot of a million keys, in which this process does nothing else.
setSha256Backend('native')

/** The config feed onto JetStream: a stream of changes, a KV pointer to the newest snapshot, an object store of bodies. */
export class NatsConfigFeedWriter implements ConfigFeedWriter {
  readonly #link: NatsLink

  constructor(
    natsUrl: string,
    private readonly names: NatsNames,
    private readonly log: Logger,
  ) {
    this.#link = new NatsLink(natsUrl, 'apigate-config-writer', log)
  }

  async head(): Promise<FeedHead | null> {
    const manager = await this.#manager()
    await this.#ensureStream(manager)
    const { pointer } = await readPointer(manager, this.names, this.log)
    const message = await lastMessage(manager, this.names.changeStream, this.names.change)
    const last = message && parseMessage(changeMessageSchema, message.string(), this.names.changeStream, this.log)
    // Another epoch begins with a snapshot, so that the pointer's is the newer one.
    if (last === null || (pointer !== null && pointer.epoch !== last.epoch)) {
      return pointer && { epoch: pointer.epoch, revision: pointer.revision, change: null }
    }
    // A publisher that ended between two parts: the whole revision has to be sent again.
    const isWhole = last.part + 1 === last.parts
    return {
      epoch: last.epoch,
      revision: Math.max(isWhole ? last.revision : last.revision - 1, pointer?.revision ?? 0),
      change: isWhole ? { revision: last.revision, atMs: last.atMs } : null,
    }
  }

  async snapshotHead(): Promise<SnapshotPointer | null> {
    const connection = await this.#link.connection()
    const { pointer } = await readPointer(await this.#manager(), this.names, this.log)
    if (pointer === null) return null
    // A pointer whose body is gone counts as none, so that the publisher makes a new one.
    const store = await new Objm(connection).open(this.names.snapshotStore, false)
    const stored = await store.info(pointer.sha256).catch((error: unknown) => {
      if (isStreamNotFound(error)) return null
      throw error
    })
    return stored === null || stored.deleted ? null : pointer
  }

  async publishChange(message: ChangeMessage): Promise<void> {
    const connection = await this.#link.connection()
    const msgID = `${message.epoch}:${message.revision}:${message.part}`
    const send = async (sent: ChangeMessage): Promise<void> => {
      await jetstream(connection).publish(this.names.change, JSON.stringify(sent), { msgID })
    }
    const parent = currentTracing() === null ? null : parseTraceparent(message.traceparent)
    if (parent === null) return send(message)
    const attributes = messageAttributes('nats', 'config.changes', 'send', message)
    await inSpan('send config.changes', { kind: 'producer', attributes, parent }, (span) =>
      send({ ...message, traceparent: traceparentOf(span!.position) }),
    )
  }

  async putSnapshot(pointer: SnapshotPointer, body: Uint8Array): Promise<void> {
    const connection = await this.#link.connection()
    const manager = await jetstreamManager(connection, { checkAPI: false })
    const store = await new Objm(connection).create(this.names.snapshotStore, { storage: StorageType.File })
    const stored = await store.info(pointer.sha256)
    if (stored === null || stored.deleted) await putBody(store, pointer.sha256, body)

    const older = await this.#movePointer(connection, manager, pointer)
    const keep = new Set([pointer.sha256, older?.sha256])
    for (const object of await store.list()) if (!keep.has(object.name)) await store.delete(object.name)
    if (older !== null) await this.#trim(manager, older, pointer)
  }

  close(): Promise<void> {
    return this.#link.close()
  }

  async #manager(): Promise<JetStreamManager> {
    return jetstreamManager(await this.#link.connection(), { checkAPI: false })
  }

  async #ensureStream(manager: JetStreamManager): Promise<void> {
    try {
      await manager.streams.info(this.names.changeStream)
    } catch (error) {
      if (!isStreamNotFound(error)) throw error
      await manager.streams.add({
        name: this.names.changeStream,
        subjects: [this.names.change],
        retention: RetentionPolicy.Limits,
        storage: StorageType.File,
        allow_direct: true,
      })
      this.log.info({ stream: this.names.changeStream }, 'made the stream of configuration changes')
    }
  }

  /** @returns the pointer that was there before; of two publishers the later revision stays. */
  async #movePointer(
    connection: NatsConnection,
    manager: JetStreamManager,
    pointer: SnapshotPointer,
  ): Promise<SnapshotPointer | null> {
    const options = { history: pointerHistory, storage: StorageType.File, allow_direct: true }
    const bucket = await new Kvm(connection).create(this.names.pointerBucket, options)
    const { pointer: older, seq } = await readPointer(manager, this.names, this.log)
    if (older !== null && older.epoch === pointer.epoch && older.revision > pointer.revision) {
      throw new Error(`snapshot ${pointer.revision} is older than the one on the feed, ${older.revision}`)
    }
    // Compare and set: a publisher that lost its lock without noticing must not move the pointer back.
    await bucket.put(this.names.pointerKey, JSON.stringify(pointer), { previousSeq: seq })
    return older
  }

  async #trim(manager: JetStreamManager, older: SnapshotPointer, newest: SnapshotPointer): Promise<void> {
    const lastSeq = await lastBehind(manager, this.names.changeStream, older, newest)
    if (lastSeq > 0) await manager.streams.purge(this.names.changeStream, { seq: lastSeq + 1 })
  }
}

async function putBody(store: ObjectStore, name: string, body: Uint8Array): Promise<void> {
  await store.put({ name, options: { max_chunk_size: chunkBytes } }, ReadableStream.from(slices(body)))
}

function* slices(body: Uint8Array): Generator<Uint8Array, void> {
  for (let offset = 0; offset < body.byteLength; offset += chunkBytes) yield body.subarray(offset, offset + chunkBytes)
}
