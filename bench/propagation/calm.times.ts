import { readFileSync } from 'node:fs'

const everyMs = 250
/** Of all cores' time. */
const stolenShareMax = 0.05
/** What piled up meanwhile has to be worked off. */
const afterMs = 1_000

/**
 * When the machine was this machine's own: a virtual one stands still while its host gives the cores to others (`steal` of
 * /proc/stat), and what was under way then says nothing of what was measured. Times are Unix ms.
 */
export class CalmTimes {
  /** Ends of disturbed times. */
  readonly #disturbed: number[] = []
  #last = readTicks()
  stolenTicks = 0
  allTicks = 0

  constructor() {
    setInterval(() => this.#look(), everyMs).unref()
  }

  /** Whether nothing was stolen from shortly before one time until another. */
  areCalm(fromMs: number, untilMs: number): boolean {
    return !this.#disturbed.some((atMs) => atMs > fromMs - afterMs && atMs - everyMs < untilMs)
  }

  /** Share of the cores' time that the host took since the last call. */
  stolenShare(): number {
    const share = this.allTicks === 0 ? 0 : this.stolenTicks / this.allTicks
    this.stolenTicks = this.allTicks = 0
    return share
  }

  #look(): void {
    const now = readTicks()
    const [stolen, all] = [now.stolen - this.#last.stolen, now.all - this.#last.all]
    this.#last = now
    this.stolenTicks += stolen
    this.allTicks += all
    if (stolen > all * stolenShareMax) this.#disturbed.push(Date.now())
  }
}

function readTicks(): { stolen: number; all: number } {
  const [, ...ticks] = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!.split(/ +/).map(Number)
  // user nice system idle iowait irq softirq steal
  return { stolen: ticks[7] ?? 0, all: ticks.slice(0, 8).reduce((sum, count) => sum + count, 0) }
}
