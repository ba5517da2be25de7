import { ApiError, errorObject } from '@apigate/errors'

/**
 * Lets so many writes work at a time; the others wait here, first come first served, and not in the database: there each
 * would hold a connection while it waits for a lock, and reads would find none.
 */
export class WriteQueue {
  private readonly waiting = new Set<() => void>()
  private working = 0

  /** @param waitMsMax is how long one waits for its turn. */
  constructor(
    private readonly atOnce: number,
    private readonly waitMsMax: number,
  ) {}

  /** @throws ApiError 503 when its turn did not come; else what `work` throws. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.working < this.atOnce) this.working++
    else await this.turn()
    try {
      return await work()
    } finally {
      this.next()
    }
  }

  private turn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const admit = (): void => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        this.waiting.delete(admit)
        const error = errorObject('service_unavailable', 'too many other writes are waiting')
        reject(new ApiError([error], { 'retry-after': '5' }))
      }, this.waitMsMax)
      this.waiting.add(admit)
    })
  }

  /** Who has worked gives the turn to the first that waits. */
  private next(): void {
    const [admit] = this.waiting
    if (admit === undefined) {
      this.working--
      return
    }
    this.waiting.delete(admit)
    admit()
  }
}
