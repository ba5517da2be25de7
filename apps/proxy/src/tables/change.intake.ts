import type { ChangeMessage } from '@apigate/contracts'
import type { ConfigItem } from '@apigate/core'
import type { Logger } from '@apigate/platform'
import type { ConfigState } from './config.state.ts'
import type { LiveTables } from './live.tables.ts'

/** Of one turn of the event loop: a key takes some microseconds, a plan or an owner less. */
const itemsPerTurn = 500

/**
 * Takes changes into the state that is live, in order, and swaps the tables made of it.
 *
 * A change of thousands of items is taken in over several turns of the event loop; its revision is reported when all of it is
 * live. Meanwhile each item is either as it was or as it will be. Routes and upstreams change with the swap, all at once.
 */
export class ChangeIntake {
  readonly state: ConfigState
  /** Newest revision whose items were taken in. */
  seen: number
  /** Runs when everything that came is live, or refused. */
  onSettled: () => void = () => {}
  readonly #live: LiveTables
  readonly #log: Logger
  /** Revision of the tables in which everything so far was live. */
  #applied: number
  #parts: { revision: number; items: ConfigItem[][]; missing: number } | null = null
  /** Whole revisions that are still to be applied, the first of them maybe in part. */
  readonly #queue: { items: readonly ConfigItem[]; next: number }[] = []
  #isApplying = false
  #isPublishing = false
  #mustPublish = false
  #isStopped = false

  /** @param revision of the snapshot that the state was made of */
  constructor(state: ConfigState, revision: number, live: LiveTables, log: Logger) {
    this.state = state
    this.seen = revision
    this.#applied = revision
    this.#live = live
    this.#log = log
  }

  get isSettled(): boolean {
    return !this.#isApplying && !this.#isPublishing && this.#queue.length === 0
  }

  /** Of the next revision, or a part of it. @returns whether it is whole now, and on its way. */
  take(message: ChangeMessage): boolean {
    const items = this.#collect(message)
    if (items === null) return false
    this.#queue.push({ items, next: 0 })
    this.seen = message.revision
    if (!this.#isApplying) this.#apply()
    return true
  }

  /** Another state is live: nothing of this one will be any more. */
  stop(): void {
    this.#isStopped = true
    this.#queue.length = 0
  }

  /** The items of a revision when its last part is there, else null. */
  #collect(message: ChangeMessage): ConfigItem[] | null {
    if (message.parts === 1) return message.items
    if (this.#parts?.revision !== message.revision || this.#parts.items.length !== message.parts) {
      const items: ConfigItem[][] = Array.from({ length: message.parts })
      this.#parts = { revision: message.revision, items, missing: message.parts }
    }
    const { items } = this.#parts
    if (items[message.part] === undefined) this.#parts.missing -= 1
    items[message.part] = message.items
    if (this.#parts.missing > 0) return null
    this.#parts = null
    return items.flat()
  }

  /** Some items now, the others in later turns of the event loop, so that requests are answered in between. */
  #apply(): void {
    this.#isApplying = true
    for (let left = itemsPerTurn; left > 0;) {
      const change = this.#queue[0]
      if (change === undefined) break
      const slice = change.items.slice(change.next, change.next + left)
      for (const item of slice) this.state.apply(item)
      left -= slice.length
      change.next += slice.length
      if (change.next === change.items.length) this.#queue.shift()
    }
    setImmediate(() => (this.#queue.length > 0 ? this.#apply() : this.#publish()))
  }

  /**
   * Compiles and swaps once for all changes that came together: many do after a start. Changes go on being applied while
   * routes are compiled, so that a key can be revoked at any time; they are published after.
   */
  #publish(): void {
    this.#isApplying = false
    this.#mustPublish = true
    if (this.#isPublishing) return
    this.#isPublishing = true
    void this.#publishAll().finally(() => {
      this.#isPublishing = false
      this.onSettled()
    })
  }

  async #publishAll(): Promise<void> {
    // What is being applied comes back here when it is through.
    while (this.#mustPublish && !this.#isApplying && !this.#isStopped) {
      this.#mustPublish = false
      const { seen, state } = this
      await state.compileInTurns()
      if (this.#isStopped) return
      if (state.problem === null) this.#applied = seen
      else this.#log.error({ problem: state.problem }, 'a configuration change is not usable')
      this.#live.swap(state.tables(this.#applied), state.problem)
    }
  }
}
