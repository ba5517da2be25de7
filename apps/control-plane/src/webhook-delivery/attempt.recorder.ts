import { AsyncResource } from 'node:async_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { AttemptResult } from './deliveries.repository.ts'

/** Results of one statement. */
const batchMax = 500
/** What ends within this time is noted together. */
const gatherMs = 10
const retryMs = 500

interface Waiting {
  result: AttemptResult
  noted: () => void
}

/**
 * Notes what attempts came to: one statement at a time, for all that have ended since the one before. While the database is
 * away results wait for as long as their leases last; after that the deliveries are attempted again, and nobody needs them.
 */
export class AttemptRecorder {
  #waiting: Waiting[] = []
  #isRunning = false
  /** It serves all slices, so it is nobody's: not in the span of the one that happened to start it. */
  readonly #start = AsyncResource.bind(() => void this.#run())

  constructor(
    private readonly write: (results: readonly AttemptResult[]) => Promise<void>,
    private readonly clock: () => number,
    private readonly warn: (error: unknown) => void,
  ) {}

  /** Resolves when it is noted, or given up. */
  record(result: AttemptResult): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push({ result, noted: resolve })
    if (!this.#isRunning) this.#start()
    return promise
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#waiting.length > 0) {
      await delay(gatherMs)
      const batch = this.#waiting.splice(0, batchMax)
      await this.#write(batch)
      for (const { noted } of batch) noted()
    }
    this.#isRunning = false
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    let results = batch.map(({ result }) => result)
    while (results.length > 0) {
      try {
        return await this.write(results)
      } catch (error) {
        this.warn(error)
        await delay(retryMs)
        const now = this.clock()
        results = results.filter(({ attempt }) => attempt.leasedUntil.getTime() > now)
      }
    }
  }
}
