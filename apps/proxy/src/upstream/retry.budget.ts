const tokensMax = 10
const tokensARequest = 0.2

/**
 * Bounds the retries of an upstream: each request adds a fifth of one, a retry takes one, and at most ten are saved up. So an
 * upstream that fails altogether gets a fifth more requests than without retries, however many each may have.
 */
export class RetryBudget {
  #tokens = tokensMax

  request(): void {
    this.#tokens = Math.min(this.#tokens + tokensARequest, tokensMax)
  }

  take(): boolean {
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}
