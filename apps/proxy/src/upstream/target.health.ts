/** Consecutive failures after which a target gets no requests for a while. */
const failuresMax = 5
const ejectionMsMin = 1_000
const ejectionMsMax = 60_000

/** What a request or a check found out. */
export interface TargetHealthOptions {
  /** Failed checks in a row that make it unhealthy; passed ones that make it healthy again. */
  unhealthyAfter: number
  healthyAfter: number
}

/**
 * Whether requests may go to a target, from two sources. Requests: after 5 failures in a row it is ejected for a second, then
 * one request may try, and another one when that takes a second; when one fails too, for twice as long, up to a minute. Checks: so many in a row against it or for
 * it. Each worker finds out by itself. Pure: the caller brings the clock, in monotonic ms.
 */
export class TargetHealth {
  /** Healthy by both; the only question that a request asks while all is well. */
  isHealthy = true
  /** Runs when `isHealthy` has changed. */
  onChange: () => void = () => {}
  readonly #options: TargetHealthOptions
  #failures = 0
  #ejections = 0
  /** 0 = not ejected. */
  #ejectedUntilMs = 0
  /** 0 = nobody is trying. A trial that takes long, be it for its client's sake, must not keep the others away. */
  #tryingUntilMs = 0
  #isCheckedOut = false
  #checksInARow = 0

  constructor(options: TargetHealthOptions) {
    this.#options = options
  }

  /** `ejected` by its failures, `unhealthy` by its checks. */
  get reason(): 'ejected' | 'unhealthy' | null {
    if (this.#isCheckedOut) return 'unhealthy'
    return this.#ejectedUntilMs === 0 ? null : 'ejected'
  }

  isAvailable(nowMs: number): boolean {
    if (this.isHealthy) return true
    return !this.#isCheckedOut && nowMs >= this.#ejectedUntilMs && nowMs >= this.#tryingUntilMs
  }

  /** A request goes there. */
  begin(nowMs: number): void {
    if (this.#ejectedUntilMs !== 0) this.#tryingUntilMs = nowMs + ejectionMsMin
  }

  /** A request ended without saying anything about the target: the client went away. */
  abandoned(): void {
    this.#tryingUntilMs = 0
  }

  succeeded(): void {
    if (this.#failures === 0 && this.#ejectedUntilMs === 0) return
    this.#failures = 0
    this.#ejections = 0
    this.#ejectedUntilMs = 0
    this.#tryingUntilMs = 0
    this.#settle()
  }

  failed(nowMs: number): void {
    this.#failures += 1
    const isTrial = this.#tryingUntilMs !== 0
    this.#tryingUntilMs = 0
    if (isTrial || (this.#failures >= failuresMax && this.#ejectedUntilMs === 0)) {
      this.#ejectedUntilMs = nowMs + Math.min(ejectionMsMin * 2 ** this.#ejections, ejectionMsMax)
      this.#ejections += 1
    }
    this.#settle()
  }

  checked(isGood: boolean): void {
    if (isGood !== this.#isCheckedOut) {
      this.#checksInARow = 0
      return
    }
    this.#checksInARow += 1
    const needed = isGood ? this.#options.healthyAfter : this.#options.unhealthyAfter
    if (this.#checksInARow < needed) return
    this.#checksInARow = 0
    this.#isCheckedOut = !isGood
    // What the check has seen is newer than what requests have.
    if (isGood) this.succeeded()
    this.#settle()
  }

  #settle(): void {
    const isHealthy = !this.#isCheckedOut && this.#ejectedUntilMs === 0
    if (isHealthy === this.isHealthy) return
    this.isHealthy = isHealthy
    this.onChange()
  }
}
