/**
 * Finds a slot of a table by hash: open addressing with linear probing, at most half full, no tombstones (a removal
 * shifts its cluster back). It stores slot numbers only, 8 bytes a slot at worst; hashes and equality are the table's.
 */
export class SlotIndex {
  readonly #hashOf: (slot: number) => number
  /** Slot + 1; 0 = empty. */
  #cells: Int32Array
  #mask: number
  #size = 0

  constructor(hashOf: (slot: number) => number) {
    this.#hashOf = hashOf
    this.#cells = new Int32Array(16)
    this.#mask = 15
  }

  /** The cell where a search for this hash begins. Go on with `next` while `slotAt` is not -1. */
  first(hash: number): number {
    return hash & this.#mask
  }

  next(cell: number): number {
    return (cell + 1) & this.#mask
  }

  /** -1 = the search has failed. */
  slotAt(cell: number): number {
    return this.#cells[cell]! - 1
  }

  /** The slot must not be in the index yet, and `hashOf` must know it. */
  add(slot: number): void {
    if ((this.#size + 1) * 2 > this.#cells.length) this.#grow()
    this.#size += 1
    this.#place(slot)
  }

  /** The slot must be in the index, and `hashOf` must still know it. */
  remove(slot: number): void {
    let hole = this.first(this.#hashOf(slot))
    while (this.slotAt(hole) !== slot) hole = this.next(hole)
    for (let cell = this.next(hole); this.#cells[cell] !== 0; cell = this.next(cell)) {
      // What may not stand before its first cell stays; everything else of the cluster moves up.
      const home = this.first(this.#hashOf(this.slotAt(cell)))
      const isHomeBehindHole = ((cell - home) & this.#mask) < ((cell - hole) & this.#mask)
      if (isHomeBehindHole) continue
      this.#cells[hole] = this.#cells[cell]!
      hole = cell
    }
    this.#cells[hole] = 0
    this.#size -= 1
  }

  #place(slot: number): void {
    let cell = this.first(this.#hashOf(slot))
    while (this.#cells[cell] !== 0) cell = this.next(cell)
    this.#cells[cell] = slot + 1
  }

  #grow(): void {
    const old = this.#cells
    this.#cells = new Int32Array(old.length * 2)
    this.#mask = this.#cells.length - 1
    for (const cell of old) if (cell !== 0) this.#place(cell - 1)
  }
}
