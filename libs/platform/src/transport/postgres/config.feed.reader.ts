import { changeMessageSchema, channels, snapshotPointerSchema } from '@apigate/contracts'
import type pg from 'pg'
import type { Logger } from '../../logger.ts'
import { deliverChange } from '../change.delivery.ts'
import { checkMessage, parseMessage } from '../message.check.ts'
import { throttled } from '../retry.ts'
import type { Closeable, ConfigFeedHandlers, ConfigFeedReader, Snapshot } from '../transport.ts'
import { readChanges, readHead } from './change.log.ts'
import { NotifyListener } from './notify.listener.ts'
import { openPool } from './pool.ts'
import { readBody, readPointer } from './snapshot.table.ts'

/** Should a NOTIFY be missed on a connection that is dead but not known to be. */
const pollMs = 2_000

/**
 * The config feed of embedded mode, read from the tables where the changes are written. NOTIFY only says when to look:
 * LISTEN comes first, then the tables are read, so that nothing falls between.
 */
export class PostgresConfigFeedReader implements ConfigFeedReader {
  readonly #pool: pg.Pool
  readonly #follows = new Set<Closeable>()

  constructor(
    private readonly databaseUrl: string,
    private readonly log: Logger,
  ) {
    this.#pool = openPool(databaseUrl, 2)
  }

  async latestSnapshot(): Promise<Snapshot | null> {
    const pointer = await readPointer(this.#pool)
    return pointer === null ? null : { pointer, body: readBody(this.#pool, pointer) }
  }

  follow(revision: number, handlers: ConfigFeedHandlers): Promise<Closeable> {
    const tail = new ChangeTail(this.#pool, revision, handlers, this.log)
    const listener = new NotifyListener(
      this.databaseUrl,
      [channels.configChange, channels.snapshot],
      {
        onNotification: (channel, payload) => {
          if (channel === channels.configChange) return tail.wake('changes')
          const pointer = parseMessage(snapshotPointerSchema, payload, channel, this.log)
          if (pointer !== null) handlers.onSnapshot(pointer)
        },
        onConnected: (connected) => {
          handlers.onConnected(connected)
          if (connected) tail.wake('everything')
        },
      },
      this.log,
    )
    handlers.onConnected(false)
    const poll = setInterval(() => tail.wake('changes'), pollMs)
    const follow: Closeable = {
      close: async () => {
        this.#follows.delete(follow)
        clearInterval(poll)
        await listener.close()
        await tail.close()
      },
    }
    this.#follows.add(follow)
    return Promise.resolve(follow)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#follows].map((follow) => follow.close()))
    if (!this.#pool.ending) await this.#pool.end()
  }
}

/** Reads what lies behind a cursor, one read at a time, in order. */
class ChangeTail {
  readonly #warn: (error: unknown) => void
  #epoch: string | null = null
  #wanted: 'nothing' | 'changes' | 'everything' = 'nothing'
  #reading: Promise<void> | null = null
  #closed = false

  constructor(
    private readonly pool: pg.Pool,
    private revision: number,
    private readonly handlers: ConfigFeedHandlers,
    private readonly log: Logger,
  ) {
    this.#warn = throttled(log, 'warn', 'cannot read configuration changes')
  }

  wake(wanted: 'changes' | 'everything'): void {
    if (this.#wanted !== 'everything') this.#wanted = wanted
    this.#reading ??= this.#read().finally(() => (this.#reading = null))
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#reading
  }

  async #read(): Promise<void> {
    while (this.#wanted !== 'nothing' && !this.#closed) {
      const wanted = this.#wanted
      this.#wanted = 'nothing'
      try {
        if (wanted === 'everything') await this.#readHead()
        await this.#readChanges()
        if (wanted === 'everything' && !this.#closed) this.handlers.onCaughtUp()
      } catch (error) {
        this.#warn(error)
        // The poll tries again.
        if (wanted === 'everything') this.#epoch = null
        return
      }
    }
  }

  /** After a connection was lost: another snapshot, or a database restored from a copy, whose revisions begin lower. */
  async #readHead(): Promise<void> {
    const [head, pointer] = [await readHead(this.pool), await readPointer(this.pool)]
    const restored = (this.#epoch !== null && head.epoch !== this.#epoch) || head.revision < this.revision
    if (restored) this.revision = pointer?.revision ?? head.revision
    this.#epoch = head.epoch
    if (pointer !== null) this.handlers.onSnapshot(pointer)
  }

  async #readChanges(): Promise<void> {
    for (;;) {
      const changes = await readChanges(this.pool, this.revision)
      for (const change of changes) {
        if (this.#closed) return
        this.revision = change.revision
        const message = checkMessage(changeMessageSchema, change, 'config_changes', this.log)
        if (message !== null) deliverChange(message, this.handlers, 'postgresql')
      }
      if (changes.length === 0) return
    }
  }
}
