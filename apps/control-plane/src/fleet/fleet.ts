import type { WorkerStatus } from '@apigate/contracts'

/** A worker that is silent for longer than this is gone. */
export const silentMs = 5_000

export interface WorkerRow {
  id: string
  version: string
  ready: boolean
  draining: boolean
  configEpoch: string | null
  revision: number | null
  /** Since when it has it. Null from workers of an older version, as the two behind it. */
  revisionSince: Date | null
  /** SHA-256 of the snapshot that it began with, and where it had that from: `feed` or `disk`. */
  snapshotHash: string | null
  snapshotSource: string | null
  /** Revisions behind the newest; null while the worker has none, or one of another history. */
  lag: number | null
  problem: string | null
  inFlight: number
  rssBytes: number
  spoolEvents: number
  startedAt: Date
  seenAt: Date
}

export interface ConfigHead {
  epoch: string
  revision: number
}

/** Each worker speaks once a second: who has listened for so long knows them all. */
export const acquaintedMs = 2_500

/** What the live workers last said of themselves, by name. Pure: the caller brings messages and time. */
export class Fleet {
  readonly #last = new Map<string, { status: WorkerStatus; seenAtMs: number }>()
  readonly #listeningSinceMs: number
  #heardAtMs: number | null = null

  constructor(nowMs: number) {
    this.#listeningSinceMs = nowMs
  }

  hear(status: WorkerStatus, nowMs: number): void {
    this.#heardAtMs = nowMs
    const known = this.#last.get(status.worker)
    // A worker that was started again says so; what the old process still sends is late.
    if (known && known.status.epoch > status.epoch) return
    this.#last.set(status.worker, { status, seenAtMs: nowMs })
  }

  /** When any worker was last heard; null = never. Old while proxies run means that the transport is away. */
  heardAt(): Date | null {
    return this.#heardAtMs === null ? null : new Date(this.#heardAtMs)
  }

  /**
   * The live workers that have not applied `revision` of this history, by name. Null when that cannot be told: nobody was
   * heard, or not for long enough to know that all were.
   */
  behind({ epoch, revision }: ConfigHead, nowMs: number): string[] | null {
    const live = this.#live(nowMs)
    if (live.length === 0 || nowMs - this.#listeningSinceMs < acquaintedMs) return null
    return live
      .filter(({ status }) => status.configEpoch !== epoch || (status.revision ?? -1) < revision)
      .map(({ status }) => status.worker)
      .toSorted()
  }

  #live(nowMs: number): { status: WorkerStatus; seenAtMs: number }[] {
    for (const [worker, { seenAtMs }] of this.#last) if (nowMs - seenAtMs > silentMs) this.#last.delete(worker)
    return [...this.#last.values()]
  }

  /** The live workers by name. */
  workers(head: ConfigHead, nowMs: number): WorkerRow[] {
    return this.#live(nowMs)
      .map(({ status, seenAtMs }): WorkerRow => {
        const { worker, epoch, configEpoch, revision } = status
        return {
          id: worker,
          version: status.version,
          ready: status.ready,
          draining: status.draining,
          configEpoch,
          revision,
          revisionSince: typeof status.revisionAtMs === 'number' ? new Date(status.revisionAtMs) : null,
          snapshotHash: status.snapshot?.sha256 ?? null,
          snapshotSource: status.snapshot?.from ?? null,
          lag: revision === null || configEpoch !== head.epoch ? null : Math.max(0, head.revision - revision),
          problem: status.problem,
          inFlight: status.inFlight,
          rssBytes: status.rssBytes,
          spoolEvents: status.spoolEvents,
          startedAt: new Date(epoch),
          seenAt: new Date(seenAtMs),
        }
      })
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
  }
}
