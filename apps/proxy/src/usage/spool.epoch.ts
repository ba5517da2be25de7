import { mkdirSync } from 'node:fs'
import { readdir, rm, unlink } from 'node:fs/promises'
import path from 'node:path'
import { recoverSegment, type SpoolSegment } from './spool.segment.ts'
import { SequenceSet } from './sequence.set.ts'

/** What one start of one worker left in the spool: the folder `<worker>_<epoch>` of segments `<first seq>.log`. */
export class SpoolEpoch {
  readonly worker: string
  readonly epoch: number
  readonly dir: string
  /** In the spool and not known to be in the ledger. */
  readonly unacknowledged = new SequenceSet()
  /** Ascending; the last one may still grow. */
  readonly segments: SpoolSegment[] = []
  bytes = 0

  constructor(spoolDir: string, worker: string, epoch: number) {
    this.worker = worker
    this.epoch = epoch
    this.dir = path.join(spoolDir, `${worker}_${epoch}`)
  }

  makeFolder(): void {
    mkdirSync(this.dir, { recursive: true })
  }

  /** Reads the segments that an earlier process left. @returns how many lines were not usable. */
  async recover(): Promise<number> {
    let brokenLines = 0
    const firsts = (await readdir(this.dir)).map((name) => /^(\d+)\.log$/.exec(name)?.[1] ?? '').filter(Boolean)
    for (const first of firsts.toSorted((a, b) => Number(a) - Number(b))) {
      const { segment, seqs, broken } = await recoverSegment(path.join(this.dir, `${first}.log`))
      brokenLines += broken
      this.segments.push(segment)
      this.bytes += segment.bytes
      for (const seq of seqs) this.unacknowledged.append(seq, seq)
    }
    return brokenLines
  }

  /** Takes events out of `unacknowledged`. @returns whether none is left. */
  forget(first: number, last: number): boolean {
    this.unacknowledged.remove(first, last)
    return this.unacknowledged.size === 0
  }

  /**
   * Deletes segments that hold nothing unacknowledged.
   * @param open the segment that is still written to, if any: it stays.
   */
  async deleteForgotten(open: SpoolSegment | null): Promise<void> {
    const done = this.segments.filter(
      (segment) => segment !== open && !this.unacknowledged.intersects(segment.first, segment.last),
    )
    for (const segment of done) {
      this.segments.splice(this.segments.indexOf(segment), 1)
      this.bytes -= segment.bytes
    }
    await Promise.all(done.map((segment) => unlink(segment.path)))
  }

  removeFolder(): Promise<void> {
    return rm(this.dir, { recursive: true, force: true })
  }

  /** The events `first`..`last` that are on disk, as rows by sequence number, in order. */
  async read(first: number, last: number): Promise<Map<number, string>> {
    const events = new Map<number, string>()
    for (const segment of this.segments.filter((each) => each.last >= first && each.first <= last)) {
      await segment.read(first, last, events)
    }
    return events
  }
}
