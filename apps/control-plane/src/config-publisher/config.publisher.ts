import { setTimeout as delay } from 'node:timers/promises'
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common'
import type { SnapshotPointer } from '@apigate/contracts'
import {
  openConfigFeedWriter,
  readChanges,
  readHead,
  trimChanges,
  type ConfigFeedWriter,
  type FeedHead,
  type FeedPosition,
  type Logger,
  type TransportConfig,
} from '@apigate/platform'
import type { Database } from '../persistence/index.ts'
import { beginEpoch, isAnother } from './change.history.ts'
import { PublisherSession } from './publisher.session.ts'
import { SnapshotBuilder } from './snapshot.builder.ts'
import { SnapshotPace } from './snapshot.pace.ts'
import { snapshotPolicy, type SnapshotPolicy } from './snapshot.policy.ts'

export interface PublisherState {
  role: 'away' | 'standby' | 'owner'
  /** What the feed holds, as far as this process knows. */
  position: FeedPosition | null
  snapshot: SnapshotPointer | null
  /** Why the last step failed; null when it did not. */
  problem: string | null
}

const lockEveryMs = 1_000
/** Should a NOTIFY be missed. */
const pollMs = 1_000
/** Whether the feed still holds what was put there: a NATS that lost its data would not say so. */
const feedCheckEveryMs = 10_000
const retryMs = 1_000
/** Building one may cost seconds of CPU. */
const snapshotRetryMs = 30_000

/**
 * Sends every committed change to the config feed, in order, and a snapshot from time to time. Of all `jobs` processes the
 * one that holds the advisory lock does it. It keeps no state of its own: where to go on is read from the feed.
 */
@Injectable()
export class ConfigPublisher implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #writer: ConfigFeedWriter
  readonly #builder: SnapshotBuilder
  readonly #closing = new AbortController()
  readonly state: PublisherState = { role: 'away', position: null, snapshot: null, problem: null }
  #running: Promise<void> | null = null
  #snapshotting: Promise<void> | null = null
  #feedCheckedMs = -Infinity
  #snapshotNotBeforeMs = -Infinity
  /** Nobody waits for a snapshot that is made beside publishing. */
  readonly #pace = new SnapshotPace()
  /** Of the last snapshot that was made here. */
  #items = 0

  constructor(
    private readonly database: Database,
    private readonly config: TransportConfig & { databaseUrl: string },
    private readonly log: Logger,
    private readonly policy: SnapshotPolicy = snapshotPolicy,
  ) {
    this.#writer = openConfigFeedWriter(config, log)
    this.#builder = new SnapshotBuilder(database.prisma, (workedMs) => this.#pace.rest(workedMs))
  }

  onApplicationBootstrap(): void {
    this.#running ??= this.#run()
  }

  async onModuleDestroy(): Promise<void> {
    this.#closing.abort()
    this.#pace.hurry()
    await this.#running
    await this.#snapshotting
    await this.#writer.close()
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      const session = new PublisherSession(this.config.databaseUrl)
      try {
        await session.connect()
        this.state.role = 'standby'
        if (await session.own(lockEveryMs, signal)) await this.#own(session)
      } catch (error) {
        this.#failed(error)
      } finally {
        this.state.role = 'away'
        await session.close()
      }
      await delay(retryMs, undefined, { signal }).catch(() => {})
    }
  }

  /** Publishes until the lock is lost or the process closes. */
  async #own(session: PublisherSession): Promise<void> {
    this.state.role = 'owner'
    this.log.info('publishing configuration changes')
    this.#forgetFeed()
    // The database may be another copy since.
    this.#builder.forget()
    const stop = AbortSignal.any([this.#closing.signal, session.ended])
    while (!stop.aborted) {
      const woken = session.noteChanges(stop)
      try {
        await this.#publish(session, stop)
        this.state.problem = null
      } catch (error) {
        this.#failed(error)
        this.#forgetFeed()
        // Not at once: what woke us may be the very change that cannot be sent.
        await delay(retryMs, undefined, { signal: stop }).catch(() => {})
        continue
      }
      await woken(pollMs)
    }
  }

  /** What a step needs to know of the feed is read again after a failure: another owner, or NATS, may have changed it. */
  #forgetFeed(): void {
    this.state.position = null
    this.#feedCheckedMs = -Infinity
  }

  async #publish(session: PublisherSession, stop: AbortSignal): Promise<void> {
    if (performance.now() - this.#feedCheckedMs > feedCheckEveryMs) await this.#checkFeed()
    while (!stop.aborted) {
      const sent = await this.#publishSome(session, stop)
      this.#snapshotIfDue()
      if (!sent) return
    }
  }

  /** @returns whether there may be more. */
  async #publishSome(session: PublisherSession, stop: AbortSignal): Promise<boolean> {
    const from = this.state.position
    if (from === null) return false
    let at: FeedPosition = from
    // A NOTIFY has told of them; without one this is cheaper than to read changes, of which there are none.
    const told = session.toldRevision
    const committed = told > from.revision ? told : (await readHead(this.database.pool)).revision
    if (committed === from.revision) return false
    const changes = await readChanges(this.database.pool, from.revision)
    for (const change of changes) {
      if (stop.aborted) return false
      // Changes that are no longer there, or of a history that began meanwhile.
      if (change.revision !== at.revision + 1 || change.epoch !== at.epoch) {
        await this.#startFromSnapshot()
        return true
      }
      await this.#writer.publishChange(change)
      if (change.part + 1 < change.parts) continue
      at = { epoch: change.epoch, revision: change.revision }
      this.state.position = at
    }
    return changes.length > 0 && at.revision < committed
  }

  async #checkFeed(): Promise<void> {
    // The feed first: it is never ahead of a database that is read later, unless that was restored from an older copy.
    const feed = await this.#writer.head()
    const position = await readHead(this.database.pool)
    this.state.snapshot = await this.#writer.snapshotHead()
    if (feed !== null && feed.epoch === position.epoch && (await this.#isOfAnotherHistory(feed, position))) {
      this.log.warn({ feed, position }, 'the feed holds what the database has lost: beginning a new epoch')
      await beginEpoch(this.database.pool)
      await this.#startFromSnapshot()
    } else if (feed === null || feed.epoch !== position.epoch || this.state.snapshot?.epoch !== position.epoch) {
      await this.#startFromSnapshot()
    } else {
      this.state.position = { epoch: feed.epoch, revision: feed.revision }
    }
    this.#feedCheckedMs = performance.now()
  }

  /** After a restore or a failover the database may be behind the feed, or count the same numbers for other changes. */
  async #isOfAnotherHistory(feed: FeedHead, position: FeedPosition): Promise<boolean> {
    if (feed.revision > position.revision) return true
    return feed.change !== null && (await isAnother(this.database.pool, feed.change))
  }

  /** For a feed that changes alone cannot bring up to date. */
  async #startFromSnapshot(): Promise<void> {
    this.#pace.hurry()
    try {
      await this.#snapshotting
      const { epoch, revision } = await this.#putSnapshot()
      this.state.position = { epoch, revision }
    } finally {
      if (!this.#closing.signal.aborted) this.#pace.relax()
    }
  }

  /** Beside publishing, which must not wait for a large snapshot. */
  #snapshotIfDue(): void {
    const { position, snapshot } = this.state
    if (position === null || snapshot === null || this.#snapshotting !== null) return
    const changes = position.revision - snapshot.revision
    const everyChanges = Math.max(this.policy.everyChanges, this.#items * this.policy.everyShare)
    if (changes < everyChanges && (changes === 0 || Date.now() - snapshot.atMs < this.policy.everyMs)) return
    if (performance.now() < this.#snapshotNotBeforeMs) return
    this.#snapshotting = this.#snapshotBeside()
  }

  async #snapshotBeside(): Promise<void> {
    try {
      await this.#putSnapshot()
    } catch (error) {
      this.#failed(error)
      this.#snapshotNotBeforeMs = performance.now() + snapshotRetryMs
    } finally {
      this.#snapshotting = null
    }
  }

  async #putSnapshot(): Promise<SnapshotPointer> {
    const startedMs = performance.now()
    const { pointer, body, items } = await this.#builder.build()
    await this.#writer.putSnapshot(pointer, body)
    this.#items = items
    const older = this.state.snapshot
    this.state.snapshot = pointer
    // The feed is trimmed alike. A worker from before begins with a snapshot; the history that admins read is not here.
    if (older?.epoch === pointer.epoch)
      await trimChanges(this.database.pool, Math.min(older.revision, pointer.revision))
    const tookMs = Math.round(performance.now() - startedMs)
    this.log.info({ revision: pointer.revision, bytes: pointer.bytes, tookMs }, 'made a snapshot')
    return pointer
  }

  #failed(error: unknown): void {
    if (this.#closing.signal.aborted) return
    const problem = error instanceof Error ? error.message : String(error)
    // The same trouble once a second would flood the log.
    if (problem !== this.state.problem) this.log.warn({ err: error }, 'cannot publish configuration; trying again')
    this.state.problem = problem
  }
}
