const windowMs = 1_000
/** A key that is used again within the second will be used a few times more. */
const leaseMin = 8

/** How much was used in the last second: the size of a lease. */
export class Demand {
  #startedAtMs = -Infinity
  #now = 0
  #before = 0

  add(amount: number, nowMs: number): void {
    this.#turn(nowMs)
    this.#now += amount
  }

  /**
   * What to lease: nothing for what is used once in the time, as a lease for it would end unused.
   *
   * @param waiting what is asked for beside the lease.
   */
  at(nowMs: number, waiting = 0): number {
    this.#turn(nowMs)
    const amount = Math.max(this.#now, this.#before)
    return amount + waiting < 2 ? 0 : Math.max(amount, leaseMin)
  }

  #turn(nowMs: number): void {
    const elapsedMs = nowMs - this.#startedAtMs
    if (elapsedMs < windowMs) return
    this.#before = elapsedMs < 2 * windowMs ? this.#now : 0
    this.#now = 0
    this.#startedAtMs = nowMs
  }
}
