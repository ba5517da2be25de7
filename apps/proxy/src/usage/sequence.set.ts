export interface SequenceRange {
  first: number
  /** Included. */
  last: number
}

/** A set of sequence numbers that grows at its end and shrinks in ranges: few ranges, whatever the count. */
export class SequenceSet {
  #ranges: SequenceRange[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @param first above everything that was ever appended. */
  append(first: number, last: number): void {
    const end = this.#ranges.at(-1)
    if (end?.last === first - 1) end.last = last
    else this.#ranges.push({ first, last })
    this.#size += last - first + 1
  }

  /** Takes out what it holds of `first`..`last`. */
  remove(first: number, last: number): void {
    const kept: SequenceRange[] = []
    this.#size = 0
    for (const range of this.#ranges) {
      if (range.first < first) kept.push({ first: range.first, last: Math.min(range.last, first - 1) })
      if (range.last > last) kept.push({ first: Math.max(range.first, last + 1), last: range.last })
    }
    for (const range of kept) this.#size += range.last - range.first + 1
    this.#ranges = kept
  }

  /** The first consecutive run at or after `seq`, or null. */
  runFrom(seq: number): SequenceRange | null {
    const range = this.#ranges.find((candidate) => candidate.last >= seq)
    return range ? { first: Math.max(range.first, seq), last: range.last } : null
  }

  intersects(first: number, last: number): boolean {
    const run = this.runFrom(first)
    return run !== null && run.first <= last
  }
}
