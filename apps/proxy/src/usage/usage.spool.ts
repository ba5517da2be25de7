import { closeSync, constants, ftruncateSync, openSync, writeSync } from 'node:fs'
import path from 'node:path'
import type { UsageMark } from '@apigate/contracts'
import type { Logger } from '@apigate/platform'
import type { SpoolEpoch } from './spool.epoch.ts'
import { recordLine, recordOverheadBytes, SpoolSegment } from './spool.segment.ts'
import { eventRow, type UsageEventDraft, type UsageRecorder } from './usage.recorder.ts'

export interface UsageSpoolOptions {
  /** The worker's data folder; the spool is `<dir>/spool`. */
  dir: string
  /** 1–64 of `[A-Za-z0-9._-]`. */
  worker: string
  /** The epoch is at least this, should the clock have gone back on a disk that was lost. */
  epochFloorMs?: number
  /** A segment is closed when it has this size. */
  segmentBytesMax: number
  /** Beyond it new events are lost and counted: unsent usage must not fill the node's disk. */
  diskBytesMax: number
  log: Logger
}

/** What a turn of the event loop collects: its events in one text for the file, one by one for the batch. */
interface Turn {
  first: number
  lines: string
  events: string[]
  written: (() => void)[]
}

/** Events kept as text for the shipper, so that it reads the disk only when it is behind. */
const tailEventsMax = 4_000
const lossLogEveryMs = 10_000

/**
 * The worker's usage on disk: events are appended in the turn of the event loop in which they end, with one write for
 * all, and stay until the ledger acknowledges them. A write reaches the kernel, not the platter: it survives the end of
 * the process, which is what is promised, not that of the machine. What cannot be written (full or broken disk, bound
 * reached) is counted in `lostEvents` and keeps its sequence number, so that the ledger shows the gap.
 */
export class UsageSpool implements UsageRecorder {
  /** Unix ms; grows with every start on this disk. */
  readonly epoch: number
  lostEvents = 0
  /** The shipper's: so many events were written; a mark was taken. */
  onWritten: (events: number) => void = () => {}
  onAcknowledged: () => void = () => {}

  readonly #options: UsageSpoolOptions
  readonly #current: SpoolEpoch
  #old: SpoolEpoch[]
  readonly #release: () => void
  #turn: Turn
  #isFlushDue = false
  #segment: { file: SpoolSegment; fd: number } | null = null
  #tail: { first: number; events: string[] } = { first: 1, events: [] }
  #deletions = Promise.resolve()
  #isClosed = false
  #lossLoggedAtMs = 0

  constructor(options: UsageSpoolOptions, current: SpoolEpoch, old: SpoolEpoch[], release: () => void) {
    this.#options = options
    this.#current = current
    this.#old = old
    this.#release = release
    this.#turn = { first: 1, lines: '', events: [], written: [] }
    this.epoch = current.epoch
  }

  /** Every worker name with events here: marks come by name, and a restart may have brought a new one. */
  get workers(): string[] {
    return [...new Set(this.epochs.map((epoch) => epoch.worker))]
  }

  /** Oldest first; the last is that of this process. */
  get epochs(): readonly SpoolEpoch[] {
    return [...this.#old, this.#current]
  }

  /** Events in the spool that the ledger has not acknowledged. */
  get pendingEvents(): number {
    return this.epochs.reduce((sum, epoch) => sum + epoch.unacknowledged.size, 0)
  }

  get diskBytesMax(): number {
    return this.#options.diskBytesMax
  }

  get diskBytes(): number {
    let sum = this.#current.bytes
    for (const epoch of this.#old) sum += epoch.bytes
    return sum
  }

  /** When the oldest event that the ledger has not acknowledged was received, Unix ms; null without one. May throw. */
  async oldestReceivedMs(): Promise<number | null> {
    const epoch = this.epochs.find(({ unacknowledged }) => unacknowledged.size > 0)
    const first = epoch?.unacknowledged.runFrom(1)?.first
    if (epoch === undefined || first === undefined) return null
    const row = (await epoch.read(first, first)).get(first)
    // Acknowledged meanwhile, or gone from the disk.
    return row === undefined ? null : Date.parse(row.split(',', 2)[1] ?? '')
  }

  record(event: UsageEventDraft, written: () => void): void {
    const turn = this.#turn
    const row = eventRow(turn.first + turn.events.length, event)
    turn.lines += recordLine(row)
    turn.events.push(row)
    turn.written.push(written)
    if (!this.#isFlushDue) {
      this.#isFlushDue = true
      setImmediate(this.#flush)
    }
  }

  /** Deletes what the ledger has. Marks of other workers and epochs that are not here are ignored. */
  acknowledge(mark: UsageMark): void {
    const epoch = this.epochs.find((each) => each.worker === mark.worker && each.epoch === mark.epoch)
    if (!epoch || this.#isClosed) return
    this.#forget(epoch, mark.first, mark.seq)
    this.onAcknowledged()
  }

  /**
   * The rows of the events `first`..`last`, a line each, or null when not all of them are here any more: acknowledged
   * meanwhile, or gone from the disk, in which case they are counted as lost.
   *
   * @throws when the disk cannot be read.
   */
  async batchRows(epoch: SpoolEpoch, first: number, last: number): Promise<string | null> {
    const tail = this.#tail
    if (epoch === this.#current && first >= tail.first && last < tail.first + tail.events.length) {
      const events = tail.events.slice(first - tail.first, last - tail.first + 1)
      this.#tail = { first: last + 1, events: tail.events.slice(last - tail.first + 1) }
      return events.join('\n')
    }
    const events = await epoch.read(first, last)
    if (events.size === last - first + 1) return [...events.values()].join('\n')
    for (let seq = first; seq <= last; seq += 1) {
      if (events.has(seq) || !epoch.unacknowledged.intersects(seq, seq)) continue
      this.#countLoss(1, new Error(`record ${seq} of ${epoch.dir} is gone`))
      this.#forget(epoch, seq, seq)
    }
    return null
  }

  /** Writes what is left and gives the folder back; a later `record` loses its event. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#flush()
    this.#isClosed = true
    if (this.#segment) closeSync(this.#segment.fd)
    this.#segment = null
    await this.#deletions
    await this.#current.deleteForgotten(null)
    this.#release()
  }

  readonly #flush = (): void => {
    const turn = this.#turn
    this.#isFlushDue = false
    if (turn.events.length === 0) return
    this.#turn = { first: turn.first + turn.events.length, lines: '', events: [], written: [] }
    try {
      this.#write(turn)
    } catch (error) {
      this.#countLoss(turn.events.length, error)
    }
    for (const written of turn.written) {
      try {
        written()
      } catch (error) {
        this.#options.log.error({ err: error }, 'letting go of an answer failed')
      }
    }
  }

  #write(turn: Turn): void {
    if (this.#isClosed) throw new Error('the spool is closed')
    const bytes = Buffer.byteLength(turn.lines)
    if (this.diskBytes + bytes > this.#options.diskBytesMax) throw new Error('the spool has reached its bound')
    const { file, fd } = (this.#segment ??= this.#openSegment(turn.first))
    try {
      const bytesWritten = writeSync(fd, turn.lines)
      if (bytesWritten !== bytes) throw new Error(`the disk took ${bytesWritten} of ${bytes} bytes`)
    } catch (error) {
      this.#undoWrite(file, fd)
      throw error
    }
    for (const [n, event] of turn.events.entries()) {
      file.noteRecord(turn.first + n, Buffer.byteLength(event) + recordOverheadBytes)
    }
    this.#current.bytes += bytes
    this.#current.unacknowledged.append(turn.first, turn.first + turn.events.length - 1)
    this.#keepTail(turn)
    this.onWritten(turn.events.length)
    if (file.bytes >= this.#options.segmentBytesMax) {
      closeSync(fd)
      this.#segment = null
    }
  }

  #openSegment(first: number): { file: SpoolSegment; fd: number } {
    this.#current.makeFolder()
    const file = new SpoolSegment(path.join(this.#current.dir, `${first}.log`))
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_EXCL
    const fd = openSync(file.path, flags, 0o600)
    this.#current.segments.push(file)
    return { file, fd }
  }

  /** A half-written turn is cut off again; where even that fails the next turn starts a new file. */
  #undoWrite(file: SpoolSegment, fd: number): void {
    try {
      ftruncateSync(fd, file.bytes)
    } catch {
      closeSync(fd)
      this.#segment = null
    }
  }

  #keepTail(turn: Turn): void {
    const next = turn.first + turn.events.length
    if (turn.first !== this.#tail.first + this.#tail.events.length) this.#tail = { first: turn.first, events: [] }
    for (const event of turn.events) this.#tail.events.push(event)
    if (this.#tail.events.length > tailEventsMax) this.#tail = { first: next, events: [] }
  }

  #forget(epoch: SpoolEpoch, first: number, last: number): void {
    const isDone = epoch.forget(first, last) && epoch !== this.#current
    if (isDone) this.#old = this.#old.filter((each) => each !== epoch)
    this.#deletions = this.#deletions
      .then(() => (isDone ? epoch.removeFolder() : epoch.deleteForgotten(this.#segment?.file ?? null)))
      .catch((error: unknown) => this.#options.log.warn({ err: error }, 'cannot delete from the spool'))
  }

  #countLoss(events: number, error: unknown): void {
    this.lostEvents += events
    const now = Date.now()
    if (now - this.#lossLoggedAtMs < lossLogEveryMs) return
    this.#lossLoggedAtMs = now
    this.#options.log.error(
      { err: error, lostEvents: this.lostEvents },
      'usage events are lost: the spool is not usable',
    )
  }
}
