const shards = 256
const emptyShard = new Int32Array(0)
const shardCellsMin = 16

/**
 * Finds a slot of a table by its 32-bit hash: open addressing with linear probing, at most half full, no tombstones (a
 * removal shifts its cluster back). It stores slot numbers only, 8 bytes a slot at worst; hashes and equality are the table's.
 *
 * In 256 parts by the hash's upper bits, each of which grows alone: one that doubles holds up the event loop for less than a
 * millisecond among millions of slots.
 */
export class SlotIndex {
  readonly #hashOf: (slot: number) => number
  readonly #shards: Int32Array[] = Array.from({ length: shards }, () => emptyShard)
  readonly #sizes = new Uint32Array(shards)

  constructor(hashOf: (slot: number) => number) {
    this.#hashOf = hashOf
  }

  /**
   * Where a slot of this hash would be: search from cell `hash & (length - 1)` on, around the end, until a cell is 0. A cell
   * holds the slot + 1. Empty when there is none.
   */
  cells(hash: number): Int32Array {
    return this.#shards[hash >>> 24]!
  }

  /** Of its cells. */
  get byteLength(): number {
    return this.#shards.reduce((sum, { byteLength }) => sum + byteLength, 0)
  }

  /** Makes room for so many slots, so that the index need not grow on the way there. */
  reserve(slots: number): void {
    const perShard = 2 ** Math.ceil(Math.log2((slots / shards) * 2))
    for (let shard = 0; shard < shards; shard++) {
      if (this.#sizes[shard] === 0 && perShard > shardCellsMin) this.#shards[shard] = new Int32Array(perShard)
    }
  }

  /** The slot must not be in the index yet, and `hashOf` must know it by this hash. */
  add(slot: number, hash: number): void {
    const shard = hash >>> 24
    const size = this.#sizes[shard]! + 1
    if (size * 2 > this.#shards[shard]!.length) this.#grow(shard)
    this.#sizes[shard] = size
    place(this.#shards[shard]!, slot, hash)
  }

  /** The slot must be in the index, and `hashOf` must still know it. */
  remove(slot: number): void {
    const hash = this.#hashOf(slot)
    const cells = this.#shards[hash >>> 24]!
    const mask = cells.length - 1
    let hole = hash & mask
    while (cells[hole] !== slot + 1) hole = (hole + 1) & mask
    for (let cell = (hole + 1) & mask; cells[cell] !== 0; cell = (cell + 1) & mask) {
      // What may not stand before its first cell stays; everything else of the cluster moves up.
      const home = this.#hashOf(cells[cell]! - 1) & mask
      const isHomeBehindHole = ((cell - home) & mask) < ((cell - hole) & mask)
      if (isHomeBehindHole) continue
      cells[hole] = cells[cell]!
      hole = cell
    }
    cells[hole] = 0
    this.#sizes[hash >>> 24]! -= 1
  }

  #grow(shard: number): void {
    const old = this.#shards[shard]!
    const cells = new Int32Array(Math.max(shardCellsMin, old.length * 2))
    for (const cell of old) if (cell !== 0) place(cells, cell - 1, this.#hashOf(cell - 1))
    this.#shards[shard] = cells
  }
}

function place(cells: Int32Array, slot: number, hash: number): void {
  const mask = cells.length - 1
  let cell = hash & mask
  while (cells[cell] !== 0) cell = (cell + 1) & mask
  cells[cell] = slot + 1
}
