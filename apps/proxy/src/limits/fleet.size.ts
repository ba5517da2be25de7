import type { WorkerStatus } from '@apigate/contracts'

const silentMs = 5_000

/**
 * How many workers are live, from what they tell the fleet. A worker that does not hear even itself is cut off from the
 * bus, not alone: then the number that it knew last stands.
 */
export class FleetSize {
  readonly #self: string
  readonly #heardAtMs = new Map<string, number>()
  #last = 1

  constructor(self: string) {
    this.#self = self
  }

  hear({ worker, draining }: WorkerStatus, nowMs: number): void {
    if (draining && worker !== this.#self) this.#heardAtMs.delete(worker)
    else this.#heardAtMs.set(worker, nowMs)
  }

  /** At least 1. */
  at(nowMs: number): number {
    const isListening = nowMs - (this.#heardAtMs.get(this.#self) ?? -Infinity) <= silentMs
    if (!isListening) return this.#last
    for (const [worker, heardAtMs] of this.#heardAtMs) {
      if (nowMs - heardAtMs > silentMs) this.#heardAtMs.delete(worker)
    }
    this.#last = Math.max(1, this.#heardAtMs.size)
    return this.#last
  }
}
