import { readFileSync } from 'node:fs'
import type { WorkerStatus } from '@apigate/contracts'
import type { Closeable, FleetBus } from '@apigate/platform'

const everyMs = 1_000

/** What a status tells besides what is the same for the worker's whole life. */
export type WorkerState = Omit<WorkerStatus, 'v' | 'worker' | 'epoch' | 'version' | 'rssBytes' | 'atMs'>

/** Tells the control plane what this worker runs: once a second, and at once when told to. */
export class StatusReporter implements Closeable {
  readonly #bus: FleetBus
  readonly #identity: { worker: string; epoch: number }
  readonly #state: () => WorkerState
  readonly #timer: NodeJS.Timeout

  constructor(bus: FleetBus, identity: { worker: string; epoch: number }, state: () => WorkerState) {
    this.#bus = bus
    this.#identity = identity
    this.#state = state
    this.#timer = setInterval(() => this.send(), everyMs)
    this.#timer.unref()
  }

  status(): WorkerStatus {
    return {
      v: 1,
      ...this.#identity,
      version,
      ...this.#state(),
      rssBytes: process.memoryUsage.rss(),
      atMs: Date.now(),
    }
  }

  send(): void {
    this.#bus.sendStatus(this.status())
  }

  close(): Promise<void> {
    clearInterval(this.#timer)
    return Promise.resolve()
  }
}

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
/** Of this program. */
export const { version } = manifest
