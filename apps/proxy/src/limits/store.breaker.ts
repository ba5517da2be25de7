import { setTimeout as delay } from 'node:timers/promises'
import type { LimitCall, LimitReply, LimitStore } from '@apigate/contracts'
import { backoffMs, type Logger } from '@apigate/platform'

const healthyAfterMs = 10_000

/**
 * The shared store behind a breaker: one call that fails or is slow and nobody waits for the store any more, until it has
 * answered a ping; pings come with growing pauses, and go on growing when the store fails soon again.
 */
export class StoreBreaker {
  /** Calls that the store answered, and that it did not. */
  calls = 0
  failures = 0
  isAway = false
  readonly #store: LimitStore
  readonly #log: Logger
  readonly #closing = new AbortController()
  #attempt = 0
  #backAtMs = -Infinity

  constructor(store: LimitStore, log: Logger) {
    this.#store = store
    this.#log = log
  }

  /** The reply, or null when the store is away; a promise where it must be waited for. */
  exchange(call: LimitCall): LimitReply | null | Promise<LimitReply | null> {
    if (this.isAway) return null
    const reply = this.#store.exchange(call)
    if (reply instanceof Promise) return this.#heard(reply)
    this.calls += 1
    return reply
  }

  async #heard(reply: Promise<LimitReply>): Promise<LimitReply | null> {
    try {
      const answer = await reply
      this.calls += 1
      return answer
    } catch (error) {
      this.failures += 1
      // Who waits would else ask a store that was closed again and again.
      if (this.#closing.signal.aborted) this.isAway = true
      else if (!this.isAway) void this.#waitForIt(error)
      return null
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#store.close()
  }

  async #pause(): Promise<void> {
    try {
      await delay(backoffMs(this.#attempt), undefined, { signal: this.#closing.signal, ref: false })
    } catch {
      // Closing.
    }
  }

  async #answers(): Promise<boolean> {
    try {
      await this.#store.ping()
      return true
    } catch {
      return false
    }
  }

  async #waitForIt(error: unknown): Promise<void> {
    this.isAway = true
    const { signal } = this.#closing
    if (performance.now() - this.#backAtMs > healthyAfterMs) this.#attempt = 0
    this.#log.warn({ err: error }, 'the shared limits are away: this worker limits by itself')
    for (; !signal.aborted; this.#attempt += 1) {
      await this.#pause()
      if (!(await this.#answers())) continue
      this.#attempt += 1
      this.#backAtMs = performance.now()
      this.isAway = false
      if (!signal.aborted) this.#log.info('the shared limits are back')
      return
    }
  }
}
