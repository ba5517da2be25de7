import type { UnhealthyTarget, WorkerStatus } from '@apigate/contracts'
import { silentMs } from '../fleet/index.ts'

export interface OpinionPolicy {
  /** A worker keeps requests away from a target for so long before it is news; */
  unhealthyAfterMs: number
  /** and for so long no worker does before it is news that all is well. */
  healthyAfterMs: number
}

export const opinionPolicy: OpinionPolicy = { unhealthyAfterMs: 5_000, healthyAfterMs: 30_000 }

/** An address of an upstream that workers keep requests away from. */
export interface ReportedTarget {
  url: string
  reason: UnhealthyTarget['reason']
  /** RFC 3339, of the worker that was first. */
  since: string
  /** How many of the live workers say so. */
  workers: number
}

export interface Opinion {
  /** Live workers. */
  workers: number
  /** What is unhealthy for long enough, by upstream. */
  unhealthy: Map<string, ReportedTarget[]>
  /** Whether nobody has reported the upstream for long enough. */
  isWell: (upstream: string) => boolean
}

/**
 * What the live workers together think of upstreams. The word of each counts, for one that neither checks a target nor sends to it
 * does not know; and nothing is concluded from the silence of workers that are gone, only from what those that live do not say.
 * Pure: the caller brings messages and monotonic time.
 */
export class FleetOpinion {
  readonly #last = new Map<string, { epoch: number; seenAtMs: number; targets: readonly UnhealthyTarget[] }>()
  /** Since when each upstream has been reported without a break, and since when others that were have not. */
  readonly #reportedSinceMs = new Map<string, number>()
  readonly #quietSinceMs = new Map<string, number>()
  /** Since when there has been a live worker. */
  #listeningSinceMs: number | null = null

  constructor(private readonly policy: OpinionPolicy) {}

  hear({ worker, epoch, unhealthyTargets = [] }: WorkerStatus, nowMs: number): void {
    const known = this.#last.get(worker)
    // What the process before a restart still sends is late.
    if (known && known.epoch > epoch) return
    this.#last.set(worker, { epoch, seenAtMs: nowMs, targets: unhealthyTargets })
    this.#note(nowMs)
  }

  /** Null while no worker is heard: then nobody knows. */
  at(nowMs: number): Opinion | null {
    const reports = this.#note(nowMs)
    if (reports === null) return null
    const { unhealthyAfterMs, healthyAfterMs } = this.policy
    const isOld = ([upstream]: [string, unknown]): boolean =>
      nowMs - (this.#reportedSinceMs.get(upstream) ?? nowMs) >= unhealthyAfterMs
    return {
      workers: this.#last.size,
      unhealthy: new Map([...reports].filter(isOld)),
      isWell: (upstream) => {
        const sinceMs = this.#quietSinceMs.get(upstream) ?? this.#listeningSinceMs ?? nowMs
        return !reports.has(upstream) && nowMs - sinceMs >= healthyAfterMs
      },
    }
  }

  #note(nowMs: number): Map<string, ReportedTarget[]> | null {
    for (const [worker, { seenAtMs }] of this.#last) if (nowMs - seenAtMs > silentMs) this.#last.delete(worker)
    if (this.#last.size === 0) {
      this.#reportedSinceMs.clear()
      this.#quietSinceMs.clear()
      this.#listeningSinceMs = null
      return null
    }
    this.#listeningSinceMs ??= nowMs
    const reports = this.#reports()
    for (const upstream of reports.keys()) {
      if (!this.#reportedSinceMs.has(upstream)) this.#reportedSinceMs.set(upstream, nowMs)
      this.#quietSinceMs.delete(upstream)
    }
    for (const upstream of this.#reportedSinceMs.keys()) {
      if (reports.has(upstream)) continue
      this.#reportedSinceMs.delete(upstream)
      this.#quietSinceMs.set(upstream, nowMs)
    }
    for (const [upstream, sinceMs] of this.#quietSinceMs) {
      // From then on it is as if it had never been reported.
      if (nowMs - sinceMs > this.policy.healthyAfterMs) this.#quietSinceMs.delete(upstream)
    }
    return reports
  }

  #reports(): Map<string, ReportedTarget[]> {
    const reports = new Map<string, ReportedTarget[]>()
    for (const { targets } of this.#last.values()) {
      for (const { upstream, url, reason, since } of targets) {
        const reported = reports.get(upstream) ?? []
        const same = reported.find((target) => target.url === url)
        if (same === undefined) reported.push({ url, reason, since, workers: 1 })
        else Object.assign(same, { workers: same.workers + 1, since: same.since < since ? same.since : since })
        reports.set(upstream, reported)
      }
    }
    return reports
  }
}
