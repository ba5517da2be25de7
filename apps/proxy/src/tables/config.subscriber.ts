import { setTimeout as delay } from 'node:timers/promises'
import type { ChangeMessage, SnapshotPointer, WorkerStatus } from '@apigate/contracts'
import {
  backoffMs,
  type Closeable,
  type ConfigFeedReader,
  type Logger,
  type Reach,
  type Sealer,
  type Snapshot,
} from '@apigate/platform'
import { ChangeIntake } from './change.intake.ts'
import { ConfigState } from './config.state.ts'
import type { LiveTables } from './live.tables.ts'
import { SnapshotCopier } from './snapshot.copier.ts'
import type { SnapshotDisk } from './snapshot.disk.ts'
import { readSnapshot } from './snapshot.reader.ts'

/** How long a feed may take to answer at a start; then the copy on disk is loaded while it does. */
const feedMs = 250
/** How long a worker waits at its start for the changes behind its snapshot, should the feed not say that these are all. */
const behindMsMax = 10_000
/** How long changes may take to arrive after a snapshot that holds them; then the snapshot is loaded instead. */
const catchUpMs = 2_000

export interface ConfigSubscriberOptions {
  feed: ConfigFeedReader
  disk: SnapshotDisk
  sealer: Pick<Sealer, 'open'>
  /** Where upstreams may be; null: anywhere. */
  reach?: Reach | null
  live: LiveTables
  log: Logger
}

/**
 * Keeps the live tables at the feed's newest revision: a snapshot, then every change in order. A gap, another epoch or a
 * body that is not what its pointer names lead to a fresh snapshot, built aside, while the old tables go on serving. A
 * snapshot that is not usable as a whole is not used at all. The copy on disk is for a start without the feed.
 *
 * `isCaughtUp` once everything that the feed held at the start is live, or the feed is away: a worker that took traffic with
 * its snapshot alone would refuse keys, and know routes, of minutes ago.
 *
 * While a snapshot is built aside, keys that are revoked or deleted end in the old tables, too; everything else waits.
 */
export class ConfigSubscriber implements Closeable {
  isCaughtUp = false
  isConnected = false
  /** The snapshot that the live tables began with. */
  snapshot: NonNullable<WorkerStatus['snapshot']> | null = null
  readonly #options: ConfigSubscriberOptions
  readonly #closing = new AbortController()
  readonly #copier: SnapshotCopier
  /** Of the tables that are live. */
  #intake: ChangeIntake | null = null
  #following: Closeable | null = null
  /** Only the handlers of the newest follow count. */
  #follow = 0
  #syncing: Promise<void> | null = null
  /** Of the snapshot that is being built. */
  #loadingEpoch: string | null = null
  /** Epochs whose last messages still lie in the stream. */
  readonly #staleEpochs = new Set<string>()
  /** A gap that no snapshot bridges yet. */
  #isWaiting = false
  /** SHA-256 of a snapshot with items that are not usable here. */
  #notBetter = ''
  /** The feed has given all that it had. */
  #hasAll = false

  constructor(options: ConfigSubscriberOptions) {
    this.#options = options
    this.#copier = new SnapshotCopier(options.feed, options.disk, options.log, this.#closing.signal)
  }

  /** Resolves when there are tables, or when neither feed nor disk has any yet. Goes on in the background, for ever. */
  async start(): Promise<void> {
    let isFromFeed = false
    const asked = this.#options.feed.latestSnapshot()
    try {
      if (!(await isSettledWithin(asked, feedMs))) await this.#loadFromDisk()
      const snapshot = await asked
      if (snapshot !== null && this.#isNewer(snapshot.pointer)) await this.#load(snapshot, true)
      isFromFeed = snapshot !== null
    } catch (error) {
      this.#report('the configuration feed gives no snapshot', error)
    }
    if (this.#intake === null) await this.#loadFromDisk()
    // What a feed that is away would tell cannot be waited for.
    if (!isFromFeed) this.#caughtUp()
    await this.#resume()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#follow += 1
    await this.#following?.close()
    await this.#syncing
    await this.#copier.finished()
  }

  async #loadFromDisk(): Promise<void> {
    const { disk, log } = this.#options
    try {
      const snapshot = await disk.read()
      if (snapshot === null) return
      await this.#load(snapshot, false)
      log.warn({ revision: snapshot.pointer.revision }, 'started from the snapshot on disk')
    } catch (error) {
      this.#report('the snapshot on disk is not usable', error)
    }
  }

  /** Builds the snapshot aside and goes live with it. @throws when it is not usable; everything stays as it was then. */
  async #load({ pointer, body }: Snapshot, isFromFeed: boolean): Promise<void> {
    const { sealer, reach = null, live, log } = this.#options
    this.#loadingEpoch = pointer.epoch
    const copy = isFromFeed ? this.#copier.begin(pointer) : null
    try {
      const state = new ConfigState(pointer.epoch, live.current?.upstreams ?? new Map(), sealer, reach)
      await readSnapshot(pointer, copy === null ? body : copy.keep(body), state, this.isCaughtUp)
      await state.compileInTurns()
      if (state.problem !== null) throw new UnusableItemsError(pointer, state.problem)
      this.#goLive(state, pointer)
    } catch (error) {
      this.#copier.discard(copy)
      throw error
    }
    this.snapshot = { sha256: pointer.sha256, revision: pointer.revision, from: isFromFeed ? 'feed' : 'disk' }
    log.info({ epoch: pointer.epoch, revision: pointer.revision }, 'configuration loaded')
    this.#copier.commit(copy, pointer)
  }

  #goLive(state: ConfigState, { revision }: SnapshotPointer): void {
    const { live, log } = this.#options
    this.#intake?.stop()
    this.#intake = new ChangeIntake(state, revision, live, log)
    this.#intake.onSettled = () => this.#settle()
    this.#isWaiting = false
    live.swap(state.tables(revision), null)
    state.listener = live
  }

  /** (Re)starts the stream of changes behind what was seen. */
  async #resume(): Promise<void> {
    const follow = ++this.#follow
    if (!this.isCaughtUp) {
      void delay(behindMsMax, null, { signal: this.#closing.signal, ref: false }).then(
        () => this.#caughtUp(),
        () => {},
      )
    }
    await this.#following?.close()
    const isCurrent = (): boolean => follow === this.#follow
    const following = await this.#options.feed.follow(this.#intake?.seen ?? 0, {
      onChange: (message) => (isCurrent() ? this.#onChange(message) : this.#endKeys(message)),
      onSnapshot: (pointer) => isCurrent() && this.#onSnapshot(pointer),
      onConnected: (connected) => isCurrent() && this.#onConnected(connected),
      onCaughtUp: () => isCurrent() && this.#caughtUp(),
    })
    if (isCurrent()) this.#following = following
    else await following.close()
  }

  #onConnected(connected: boolean): void {
    this.isConnected = connected
    this.#options.log.info({ connected }, 'configuration feed')
  }

  #caughtUp(): void {
    this.#hasAll = this.#intake !== null
    this.#settle()
  }

  /** When all that the feed had is live, too. */
  #settle(): void {
    if (this.isCaughtUp || !this.#hasAll || this.#intake?.isSettled !== true) return
    this.isCaughtUp = true
    this.#options.live.onChange()
  }

  #onChange(message: ChangeMessage): void {
    const intake = this.#intake
    if (intake === null) return
    if (message.epoch !== intake.state.epoch) {
      const isKnown = this.#isWaiting || this.#staleEpochs.has(message.epoch)
      if (!isKnown) this.#sync(`a change of epoch ${message.epoch}`, message.epoch)
      return
    }
    if (message.revision <= intake.seen) return
    if (message.revision > intake.seen + 1) {
      if (!this.#isWaiting) this.#sync(`a gap between revisions ${intake.seen} and ${message.revision}`)
      this.#endKeys(message)
      return
    }
    if (!intake.take(message) || !this.#isWaiting) return
    // What was missing came late: what it held up lies behind it, or came before it and is read again.
    this.#isWaiting = false
    void this.#resume().catch((error: unknown) => this.#report('the configuration feed cannot be followed', error))
  }

  /**
   * What cannot wait for a snapshot that is being built: the message comes again when that is live. Another epoch counts when
   * its snapshot is being built: one that lies behind a restore has ended keys that the database has.
   */
  #endKeys({ epoch, revision, items }: ChangeMessage): void {
    const intake = this.#intake
    if (this.#syncing === null || intake === null) return
    if (epoch === intake.state.epoch ? revision <= intake.seen : epoch !== this.#loadingEpoch) return
    for (const item of items) intake.state.endKey(item)
  }

  #onSnapshot(pointer: SnapshotPointer): void {
    const state = this.#intake?.state ?? null
    if (!this.#isNewer(pointer)) {
      // The copy is of the last one that was good here.
      if (state?.problem === null) this.#copier.renew(pointer)
    } else if (state === null || this.#isWaiting || pointer.epoch !== state.epoch || state.problem !== null) {
      this.#sync('a newer snapshot')
    } else {
      // Its changes are on their way, unless the stream was trimmed in front of us and nothing came since.
      void delay(catchUpMs, null, { signal: this.#closing.signal }).then(
        () => (this.#isBehind(state, pointer) ? this.#sync('changes that never came') : null),
        () => {},
      )
    }
  }

  /** Whether this is still the state, and has not come as far as the snapshot. */
  #isBehind(state: ConfigState, { revision }: SnapshotPointer): boolean {
    return this.#intake?.state === state && this.#intake.seen < revision
  }

  /** Loads the newest snapshot, trying again until there is a usable one. One at a time. */
  #sync(reason: string, foreignEpoch: string | null = null): void {
    if (this.#syncing !== null || this.#closing.signal.aborted) return
    this.#options.log.info({ reason }, 'asking for a fresh snapshot')
    this.#follow += 1
    this.#syncing = this.#syncLoop(reason, foreignEpoch)
      .catch((error: unknown) => this.#report('the configuration subscriber failed', error))
      .finally(() => (this.#syncing = null))
  }

  async #syncLoop(reason: string, foreignEpoch: string | null): Promise<void> {
    for (let attempt = 0; !this.#closing.signal.aborted; attempt++) {
      try {
        const snapshot = await this.#options.feed.latestSnapshot()
        if (snapshot !== null && this.#isNewer(snapshot.pointer)) {
          await this.#load(snapshot, true)
        } else if (foreignEpoch !== null && snapshot?.pointer.epoch === this.#intake?.state.epoch) {
          this.#staleEpochs.add(foreignEpoch)
        } else {
          this.#isWaiting = true
          if (this.#intake !== null) this.#options.live.report(`no snapshot bridges ${reason}`)
        }
        return await this.#resume()
      } catch (error) {
        this.#report(`no fresh snapshot for ${reason}`, error)
        if (error instanceof UnusableItemsError && this.#intake?.state.epoch === error.pointer.epoch) {
          this.#notBetter = error.pointer.sha256
          return await this.#resume()
        }
        await delay(backoffMs(attempt), null, { signal: this.#closing.signal }).catch(() => {})
      }
    }
  }

  #isNewer(pointer: SnapshotPointer): boolean {
    const intake = this.#intake
    if (intake === null || pointer.epoch !== intake.state.epoch) return true
    if (pointer.sha256 === this.#notBetter) return false
    // One that holds all that was seen may repair what is not usable of it.
    return pointer.revision > intake.seen || (intake.state.problem !== null && pointer.revision === intake.seen)
  }

  #report(what: string, error: unknown): void {
    if (this.#closing.signal.aborted) return
    this.#options.log.warn({ err: error }, what)
    this.#options.live.report(`${what}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

async function isSettledWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const settled = promise.then(
    () => true,
    () => true,
  )
  return Promise.race([settled, delay(ms, false)])
}

/** A snapshot that came as it was made, with something that this worker cannot use. */
class UnusableItemsError extends Error {
  override readonly name = 'UnusableItemsError'

  constructor(
    readonly pointer: SnapshotPointer,
    problem: string,
  ) {
    super(`snapshot ${pointer.revision}: ${problem}`)
  }
}
