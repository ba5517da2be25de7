import { setTimeout as delay } from 'node:timers/promises'
import type { ChangeMessage, SnapshotPointer, WorkerStatus } from '@apigate/contracts'
import type { ConfigItem } from '@apigate/core'
import {
  backoffMs,
  type Closeable,
  type ConfigFeedReader,
  type Logger,
  type Reach,
  type Sealer,
  type Snapshot,
} from '@apigate/platform'
import { ConfigState } from './config.state.ts'
import type { LiveTables } from './live.tables.ts'
import type { SnapshotCopy, SnapshotDisk } from './snapshot.disk.ts'
import { readSnapshot } from './snapshot.reader.ts'

/** Of one turn of the event loop: a key takes some microseconds, a plan or an owner less. */
const itemsPerTurn = 500
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
 * A change of thousands of items is taken in over several turns of the event loop; its revision is reported when all of it is
 * live. Meanwhile each item is either as it was or as it will be. Routes and upstreams change with the swap, all at once.
 */
export class ConfigSubscriber implements Closeable {
  isCaughtUp = false
  isConnected = false
  /** The snapshot that the live tables began with. */
  snapshot: NonNullable<WorkerStatus['snapshot']> | null = null
  readonly #options: ConfigSubscriberOptions
  readonly #closing = new AbortController()
  #state: ConfigState | null = null
  /** Newest revision whose items were taken in. */
  #seen = 0
  /** Revision of the tables in which everything so far was live. */
  #applied = 0
  #isPublishing = false
  #mustPublish = false
  #parts: { revision: number; items: ConfigItem[][]; missing: number } | null = null
  #following: Closeable | null = null
  /** Only the handlers of the newest follow count. */
  #follow = 0
  #syncing: Promise<void> | null = null
  /** Whole revisions that are still to be applied, the first of them maybe in part. */
  readonly #queue: { items: readonly ConfigItem[]; next: number }[] = []
  #isApplying = false
  /** Epochs whose last messages still lie in the stream. */
  readonly #staleEpochs = new Set<string>()
  /** A gap that no snapshot bridges yet. */
  #isWaiting = false
  /** SHA-256 of a snapshot with items that are not usable here. */
  #notBetter = ''
  #copied: SnapshotPointer | null = null
  /** One copy at a time; never rejects. */
  #copying = Promise.resolve()
  /** The feed has given all that it had. */
  #hasAll = false

  constructor(options: ConfigSubscriberOptions) {
    this.#options = options
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
    if (this.#state === null) await this.#loadFromDisk()
    // What a feed that is away would tell cannot be waited for.
    if (!isFromFeed) this.#caughtUp()
    await this.#resume()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#follow += 1
    await this.#following?.close()
    await this.#syncing
    await this.#copying
  }

  async #loadFromDisk(): Promise<void> {
    const { disk, log } = this.#options
    try {
      const snapshot = await disk.read()
      if (snapshot === null) return
      await this.#load(snapshot, false)
      log.warn({ revision: this.#seen }, 'started from the snapshot on disk')
    } catch (error) {
      this.#report('the snapshot on disk is not usable', error)
    }
  }

  /** Builds the snapshot aside and goes live with it. @throws when it is not usable; everything stays as it was then. */
  async #load({ pointer, body }: Snapshot, isFromFeed: boolean): Promise<void> {
    const { sealer, reach = null, live, log } = this.#options
    await this.#copying
    const copy = isFromFeed ? await this.#beginCopy(pointer) : null
    try {
      const state = new ConfigState(pointer.epoch, live.current?.upstreams ?? new Map(), sealer, reach)
      await readSnapshot(pointer, copy === null ? body : copy.keep(body), state)
      await state.compileInTurns()
      if (state.problem !== null) throw new UnusableItemsError(pointer, state.problem)
      this.#state = state
      this.#seen = pointer.revision
      this.#applied = pointer.revision
      this.#parts = null
      this.#queue.length = 0
      this.#isWaiting = false
      this.snapshot = { sha256: pointer.sha256, revision: pointer.revision, from: isFromFeed ? 'feed' : 'disk' }
      live.swap(state.tables(pointer.revision), null)
      state.listener = live
    } catch (error) {
      await copy?.discard()
      throw error
    }
    log.info({ epoch: pointer.epoch, revision: pointer.revision }, 'configuration loaded')
    // A disk may take seconds: nobody waits for it.
    this.#copying = this.#commitCopy(copy, pointer)
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
    const following = await this.#options.feed.follow(this.#seen, {
      onChange: (message) => isCurrent() && this.#onChange(message),
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
    this.#hasAll = this.#state !== null
    this.#settle()
  }

  /** When all that the feed had is live, too. */
  #settle(): void {
    if (this.isCaughtUp || !this.#hasAll || this.#isApplying || this.#isPublishing || this.#queue.length > 0) return
    this.isCaughtUp = true
    this.#options.live.onChange()
  }

  #onChange(message: ChangeMessage): void {
    const state = this.#state
    if (state === null) return
    if (message.epoch !== state.epoch) {
      const isKnown = this.#isWaiting || this.#staleEpochs.has(message.epoch)
      if (!isKnown) this.#sync(`a change of epoch ${message.epoch}`, message.epoch)
      return
    }
    if (message.revision <= this.#seen) return
    if (message.revision > this.#seen + 1) {
      if (!this.#isWaiting) this.#sync(`a gap between revisions ${this.#seen} and ${message.revision}`)
      return
    }
    const items = this.#collect(message)
    if (items === null) return
    this.#queue.push({ items, next: 0 })
    this.#seen = message.revision
    if (!this.#isApplying) this.#apply()
    if (this.#isWaiting) {
      // What was missing came late: what it held up lies behind it, or came before it and is read again.
      this.#isWaiting = false
      void this.#resume().catch((error: unknown) => this.#report('the configuration feed cannot be followed', error))
    }
  }

  /** The items of a revision when its last part is there, else null. */
  #collect(message: ChangeMessage): ConfigItem[] | null {
    if (message.parts === 1) return message.items
    if (this.#parts?.revision !== message.revision || this.#parts.items.length !== message.parts) {
      const items: ConfigItem[][] = Array.from({ length: message.parts })
      this.#parts = { revision: message.revision, items, missing: message.parts }
    }
    const { items } = this.#parts
    if (items[message.part] === undefined) this.#parts.missing -= 1
    items[message.part] = message.items
    if (this.#parts.missing > 0) return null
    this.#parts = null
    return items.flat()
  }

  /** Some items now, the others in later turns of the event loop, so that requests are answered in between. */
  #apply(): void {
    this.#isApplying = true
    for (let left = itemsPerTurn; left > 0;) {
      const change = this.#queue[0]
      if (change === undefined) break
      const slice = change.items.slice(change.next, change.next + left)
      for (const item of slice) this.#state?.apply(item)
      left -= slice.length
      change.next += slice.length
      if (change.next === change.items.length) this.#queue.shift()
    }
    setImmediate(() => (this.#queue.length > 0 ? this.#apply() : this.#publish()))
  }

  /**
   * Compiles and swaps once for all changes that came together: many do after a start. Changes go on being applied while
   * routes are compiled, so that a key can be revoked at any time; they are published after.
   */
  #publish(): void {
    this.#isApplying = false
    this.#mustPublish = true
    if (this.#isPublishing) return
    this.#isPublishing = true
    void this.#publishAll().finally(() => {
      this.#isPublishing = false
      this.#settle()
    })
  }

  async #publishAll(): Promise<void> {
    // What is being applied comes back here when it is through.
    while (this.#mustPublish && !this.#isApplying) {
      this.#mustPublish = false
      const state = this.#state
      if (state === null) return
      const seen = this.#seen
      await state.compileInTurns()
      // A snapshot went live meanwhile.
      if (state !== this.#state) continue
      if (state.problem === null) this.#applied = seen
      else this.#options.log.error({ problem: state.problem }, 'a configuration change is not usable')
      this.#options.live.swap(state.tables(this.#applied), state.problem)
    }
  }

  #onSnapshot(pointer: SnapshotPointer): void {
    const state = this.#state
    if (!this.#isNewer(pointer)) {
      // The copy is of the last one that was good here.
      if (state?.problem === null) this.#copying = this.#copying.then(() => this.#copyNewest(pointer))
    } else if (state === null || this.#isWaiting || pointer.epoch !== state.epoch || state.problem !== null) {
      this.#sync('a newer snapshot')
    } else {
      // Its changes are on their way, unless the stream was trimmed in front of us and nothing came since.
      void delay(catchUpMs, null, { signal: this.#closing.signal }).then(
        () => (state === this.#state && this.#seen < pointer.revision ? this.#sync('changes that never came') : null),
        () => {},
      )
    }
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
        } else if (foreignEpoch !== null && snapshot?.pointer.epoch === this.#state?.epoch) {
          this.#staleEpochs.add(foreignEpoch)
        } else {
          this.#isWaiting = true
          if (this.#state !== null) this.#options.live.report(`no snapshot bridges ${reason}`)
        }
        return await this.#resume()
      } catch (error) {
        this.#report(`no fresh snapshot for ${reason}`, error)
        if (error instanceof UnusableItemsError && this.#state?.epoch === error.pointer.epoch) {
          this.#notBetter = error.pointer.sha256
          return await this.#resume()
        }
        await delay(backoffMs(attempt), null, { signal: this.#closing.signal }).catch(() => {})
      }
    }
  }

  #isNewer(pointer: SnapshotPointer): boolean {
    const state = this.#state
    if (state === null || pointer.epoch !== state.epoch) return true
    if (pointer.sha256 === this.#notBetter) return false
    // One that holds all that was seen may repair what is not usable of it.
    return pointer.revision > this.#seen || (state.problem !== null && pointer.revision === this.#seen)
  }

  async #copyNewest({ sha256 }: SnapshotPointer): Promise<void> {
    const { feed, log } = this.#options
    if (this.#copied?.sha256 === sha256 || this.#closing.signal.aborted) return
    try {
      const snapshot = await feed.latestSnapshot()
      if (snapshot === null || snapshot.pointer.epoch !== this.#state?.epoch) return
      const copy = await this.#beginCopy(snapshot.pointer)
      if (copy === null) return
      try {
        await readSnapshot(snapshot.pointer, copy.keep(this.#untilClosing(snapshot.body)), null)
      } catch (error) {
        await copy.discard()
        throw error
      }
      await this.#commitCopy(copy, snapshot.pointer)
    } catch (error) {
      log.warn({ err: error }, 'the newest snapshot could not be copied to disk')
    }
  }

  async *#untilClosing(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of body) {
      this.#closing.signal.throwIfAborted()
      yield chunk
    }
  }

  async #beginCopy(pointer: SnapshotPointer): Promise<SnapshotCopy | null> {
    try {
      return await this.#options.disk.begin(pointer)
    } catch (error) {
      this.#options.log.warn({ err: error }, 'no copy of the snapshot on disk')
      return null
    }
  }

  async #commitCopy(copy: SnapshotCopy | null, pointer: SnapshotPointer): Promise<void> {
    if (copy === null) return
    try {
      await copy.commit()
      this.#copied = pointer
    } catch (error) {
      this.#options.log.warn({ err: error }, 'no copy of the snapshot on disk')
    }
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
