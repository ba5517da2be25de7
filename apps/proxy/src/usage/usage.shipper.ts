import type { Closeable, Logger, UsageQueue } from '@apigate/platform'
import type { SequenceRange } from './sequence.set.ts'
import type { SpoolEpoch } from './spool.epoch.ts'
import type { UsageSpool } from './usage.spool.ts'

export interface UsageShipperOptions {
  spool: UsageSpool
  queue: UsageQueue
  log: Logger
  batchEventsMax?: number
  batchDelayMs?: number
  /** A batch without a mark after this long is sent again, then after twice as long, and so on. */
  resendAfterMs?: number
  /** Sent and not yet in the ledger: more stays on disk, so that a stopped ingest does not fill the queue's memory. */
  inFlightEventsMax?: number
  /** How long `close` may take. */
  closeTimeoutMs?: number
}

/** A batch that the queue was given, or was to be given; its text is read again when it is needed again. */
interface SentBatch {
  epoch: SpoolEpoch
  first: number
  last: number
  /** When it is sent again, should no mark come. */
  dueAtMs: number
  /** How often the queue took it. */
  sends: number
  /** Sent often, and overtaken in the ledger by a later one: maybe set aside there. It is still sent again. */
  isOvertaken?: boolean
}

const backoffMinMs = 100
const backoffMaxMs = 5_000
const resendDoublingsMax = 4
/** Beyond so many sends without a mark something is wrong, with the ledger or with the batch. */
const sendsUntilWarning = 4
const warnEveryMs = 30_000

const isWaiting = ({ epoch, first, last }: SentBatch): boolean => epoch.unacknowledged.intersects(first, last)

export function startUsageShipper(options: UsageShipperOptions): UsageShipper {
  return new UsageShipper(options)
}

/**
 * Sends what the spool holds to the queue: in order, one batch at a time, and again until the ledger acknowledges it.
 * While the queue is down it keeps numbers only, no texts, and tries with growing pauses.
 */
export class UsageShipper implements Closeable {
  readonly #spool: UsageSpool
  readonly #queue: UsageQueue
  readonly #log: Logger
  readonly #batchEventsMax: number
  readonly #batchDelayMs: number
  readonly #resendAfterMs: number
  readonly #inFlightEventsMax: number
  readonly #closeTimeoutMs: number
  readonly #done: Promise<void>
  /** The first sequence number of each epoch that was never in a batch. */
  readonly #cursors = new WeakMap<SpoolEpoch, number>()
  #sent: SentBatch[] = []
  /** Events of this process that were never in a batch, and since when there are any. */
  #freshEvents = 0
  #freshSinceMs = 0
  #pausedUntilMs = 0
  #backoffMs = backoffMinMs
  #warnedAtMs = 0
  #isClosing = false
  #isStopped = false
  #wake: () => void = () => {}

  constructor(options: UsageShipperOptions) {
    this.#spool = options.spool
    this.#queue = options.queue
    this.#log = options.log
    this.#batchEventsMax = options.batchEventsMax ?? 1_000
    this.#batchDelayMs = options.batchDelayMs ?? 200
    this.#resendAfterMs = options.resendAfterMs ?? 5_000
    this.#inFlightEventsMax = options.inFlightEventsMax ?? 200_000
    this.#closeTimeoutMs = options.closeTimeoutMs ?? 5_000
    this.#spool.onWritten = (events) => this.#onWritten(events)
    this.#spool.onAcknowledged = () => this.#onAcknowledged()
    this.#done = this.#run()
  }

  /** Sends what was not sent yet, as far as the queue takes it in `closeTimeoutMs`; the spool keeps the rest. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#wake()
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#closeTimeoutMs)
    })
    await Promise.race([this.#done, timeout])
    clearTimeout(timer)
    this.#isStopped = true
    this.#wake()
  }

  #onWritten(events: number): void {
    if (this.#freshEvents === 0) this.#freshSinceMs = Date.now()
    const isFirst = this.#freshEvents === 0
    const before = this.#freshEvents
    this.#freshEvents += events
    // Every turn comes by here: the loop is woken only for a timer to set or a full batch.
    if (isFirst || (before < this.#batchEventsMax && this.#freshEvents >= this.#batchEventsMax)) this.#wake()
  }

  #onAcknowledged(): void {
    const newest = this.#sent.findLastIndex((batch) => !isWaiting(batch))
    for (const batch of this.#sent.slice(0, Math.max(newest, 0))) batch.isOvertaken = batch.sends >= sendsUntilWarning
    this.#sent = this.#sent.filter(isWaiting)
    this.#wake()
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const now = Date.now()
      const batch = now < this.#pausedUntilMs ? undefined : (this.#dueAgain(now) ?? this.#nextFresh(now))
      if (batch) await this.#send(batch)
      else if (this.#isClosing && this.#freshEvents === 0 && this.#sent.every((each) => each.sends > 0)) return
      else await this.#sleep(this.#nextDueMs(now) - now)
    }
  }

  #dueAgain(now: number): SentBatch | undefined {
    return this.#sent.find((batch) => batch.dueAtMs <= now && !(this.#isClosing && batch.sends > 0))
  }

  #nextFresh(now: number): SentBatch | undefined {
    if (this.#isHeldBack()) return undefined
    for (const epoch of this.#spool.epochs) {
      const isOwn = epoch.epoch === this.#spool.epoch
      const run = epoch.unacknowledged.runFrom(this.#cursors.get(epoch) ?? 1)
      if (!run) {
        if (isOwn) this.#freshEvents = 0
        continue
      }
      const last = Math.min(run.last, run.first + this.#batchEventsMax - 1)
      if (isOwn && now < this.#freshDueMs()) continue
      if (isOwn) {
        this.#freshEvents -= last - run.first + 1
        this.#freshSinceMs = now
      }
      this.#cursors.set(epoch, last + 1)
      const batch = { epoch, first: run.first, last, dueAtMs: now, sends: 0 }
      this.#sent.push(batch)
      return batch
    }
    return undefined
  }

  /**
   * Whether enough is under way. Batches that the ledger does not take must not stop those after them: what was overtaken
   * does not count, and when all were sent often, one more finds out whether it is them or the ledger.
   */
  #isHeldBack(): boolean {
    const underWay = this.#sent.filter((batch) => !batch.isOvertaken)
    const events = underWay.reduce((sum, { first, last }) => sum + last - first + 1, 0)
    const isFull = events >= this.#inFlightEventsMax && underWay.some(({ sends }) => sends < sendsUntilWarning)
    return isFull && !this.#isClosing
  }

  #freshDueMs(): number {
    if (this.#isClosing || this.#freshEvents >= this.#batchEventsMax) return 0
    return this.#freshSinceMs + this.#batchDelayMs
  }

  #nextDueMs(now: number): number {
    if (now < this.#pausedUntilMs) return this.#pausedUntilMs
    let due = Number.POSITIVE_INFINITY
    for (const batch of this.#sent) due = Math.min(due, batch.dueAtMs)
    if (this.#freshEvents > 0 && !this.#isHeldBack()) due = Math.min(due, this.#freshDueMs())
    return due
  }

  async #send(batch: SentBatch): Promise<void> {
    try {
      const { epoch } = batch
      const run = this.#narrow(batch)
      if (!run) return
      const rows = await this.#spool.batchRows(epoch, run.first, run.last)
      // Marked or found missing meanwhile: what is left of it comes again at once.
      if (rows === null) return
      await this.#queue.add({
        v: 2,
        worker: epoch.worker,
        epoch: epoch.epoch,
        first: run.first,
        last: run.last,
        rows,
      })
      batch.dueAtMs = Date.now() + this.#resendAfterMs * 2 ** Math.min(batch.sends, resendDoublingsMax)
      batch.sends += 1
      this.#backoffMs = backoffMinMs
      if (batch.sends >= sendsUntilWarning) this.#warn({ batch: run }, 'the ledger does not acknowledge usage')
    } catch (error) {
      this.#pausedUntilMs = Date.now() + this.#backoffMs
      batch.dueAtMs = this.#pausedUntilMs
      this.#backoffMs = Math.min(this.#backoffMs * 2, backoffMaxMs)
      this.#warn({ err: error }, 'cannot send usage; it waits in the spool')
    }
  }

  /** Cuts a batch down to the first run of it that still needs sending; a later run becomes a batch of its own. */
  #narrow(batch: SentBatch): SequenceRange | null {
    const run = batch.epoch.unacknowledged.runFrom(batch.first)
    if (!run || run.first > batch.last) {
      this.#sent.splice(this.#sent.indexOf(batch), 1)
      return null
    }
    if (run.last < batch.last) {
      this.#sent.splice(this.#sent.indexOf(batch) + 1, 0, { ...batch, first: run.last + 1 })
      batch.last = run.last
    }
    batch.first = run.first
    return { first: batch.first, last: batch.last }
  }

  /** Waits for the time or for `#wake`, whichever is first. */
  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = delayMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(() => this.#wake(), delayMs)
      this.#wake = () => {
        clearTimeout(timer)
        this.#wake = () => {}
        resolve()
      }
    })
  }

  #warn(fields: object, message: string): void {
    const now = Date.now()
    if (now - this.#warnedAtMs < warnEveryMs) return
    this.#warnedAtMs = now
    this.#log.warn({ ...fields, pendingEvents: this.#spool.pendingEvents }, message)
  }
}
