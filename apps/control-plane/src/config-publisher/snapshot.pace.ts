import { setTimeout as delay } from 'node:timers/promises'

/** To one part of work, so that the machine is free for three quarters of the time. */
const restShare = 3

/** How fast a snapshot is made: with rests between its pieces, unless somebody waits for it. */
export class SnapshotPace {
  #rests = new AbortController()

  /** @param workedMs for how long there was none. */
  async rest(workedMs: number): Promise<void> {
    await delay(workedMs * restShare, undefined, { signal: this.#rests.signal }).catch(() => {})
  }

  /** Ends the rest that is being taken, and leaves out the next ones. */
  hurry(): void {
    this.#rests.abort()
  }

  /** It may rest again. */
  relax(): void {
    if (this.#rests.signal.aborted) this.#rests = new AbortController()
  }
}
