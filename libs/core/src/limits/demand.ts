const windowMs = 400

/** How much was used in the last 0.4 seconds: the size of a lease. */
export class Demand {
  #startedAtMs = -Infinity
  #now = 0
  #before = 0

  add(amount: number, nowMs: number): void {
    this.#turn(nowMs)
    this.#now += amount
  }

  /** 0 for what is used less than twice in the time: a lease for it would end unused. */
  at(nowMs: number): number {
    this.#turn(nowMs)
    const amount = Math.max(this.#now, this.#before)
    return amount < 2 ? 0 : amount
  }

  #turn(nowMs: number): void {
    const elapsedMs = nowMs - this.#startedAtMs
    if (elapsedMs < windowMs) return
    this.#before = elapsedMs < 2 * windowMs ? this.#now : 0
    this.#now = 0
    this.#startedAtMs = nowMs
  }
}
