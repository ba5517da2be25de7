import { cellBytes, cellWords, hashOfCell, IdWords, inlineBytesMax } from './id.words.ts'
import { SlotIndex } from './slot.index.ts'

/** Of a part of a table's columns. Tables grow by whole parts, so that nothing is copied and nobody waits for it. */
export const partBits = 12
export const partSlots = 1 << partBits
export const partMask = partSlots - 1

const idBytesMax = 255

/** Cells of ids, twice the same memory. */
interface Part {
  readonly words: Int32Array
  readonly bytes: Buffer
}

/**
 * Ids by slot and slots by id, for millions of ids: 32 bytes each in buffers that the garbage collector need not walk, and an
 * index. Ids are printable ASCII; longer ones than our own are kept aside. Takes ids as words, too, so that a snapshot is
 * read without a string for each id.
 */
export class IdTable {
  readonly #parts: Part[] = []
  /** Ids that are too long for a cell, which is empty then. */
  readonly #long = new Map<number, string>()
  #used = 0
  readonly #free: number[] = []
  #size = 0
  readonly #index = new SlotIndex((slot) => this.#hashOf(slot))

  get size(): number {
    return this.#size
  }

  /** Slots are below this. */
  get used(): number {
    return this.#used
  }

  /** Without the ids that are longer than our own. */
  get byteLength(): number {
    return this.#parts.length * partSlots * cellBytes + this.#index.byteLength
  }

  /** -1 when there is no such id. */
  find(id: string): number {
    if (id.length > inlineBytesMax) return this.#findLong(id)
    return sought.takeText(id) ? this.findWords(sought) : -1
  }

  /** The same of an id as words. */
  findWords({ words, hash }: IdWords): number {
    const cells = this.#index.cells(hash)
    const mask = cells.length - 1
    if (mask === -1) return -1
    for (let cell = hash & mask; ; cell = (cell + 1) & mask) {
      const slot = cells[cell]! - 1
      if (slot === -1 || this.#isHere(slot, words)) return slot
    }
  }

  /**
   * The slot of a new id: one that was freed, or the next one, for which the caller makes room in its columns.
   *
   * @throws Error when it cannot be stored: empty, longer than 255, or not printable ASCII. It must not be in the table.
   */
  add(id: string): number {
    if (id.length > idBytesMax || !/^[\x21-\x7e]+$/.test(id)) throw new Error('an id is not usable')
    if (id.length > inlineBytesMax) return this.#addLong(id)
    sought.takeText(id)
    return this.addWords(sought)
  }

  /** The same of an id as words. */
  addWords({ words, hash }: IdWords): number {
    const slot = this.#newSlot()
    const cells = this.#parts[slot >>> partBits]!.words
    const at = (slot & partMask) * cellWords
    for (let n = 0; n < cellWords; n++) cells[at + n] = words[n]!
    this.#index.add(slot, hash)
    return slot
  }

  /** Makes room in the index. */
  reserve(ids: number): void {
    this.#index.reserve(ids)
  }

  /** Forgets the id. The slot stays taken until `free`. */
  remove(slot: number): void {
    this.#index.remove(slot)
    this.#long.delete(slot)
    this.#size -= 1
  }

  /** The slot may be given to the next id. */
  free(slot: number): void {
    this.#free.push(slot)
  }

  idOf(slot: number): string {
    const { bytes } = this.#parts[slot >>> partBits]!
    const at = (slot & partMask) * cellBytes
    const length = bytes[at + inlineBytesMax]!
    return length === 0 ? (this.#long.get(slot) ?? '') : bytes.toString('latin1', at, at + length)
  }

  #newSlot(): number {
    this.#size += 1
    const slot = this.#free.pop() ?? this.#used++
    if (slot >>> partBits === this.#parts.length) {
      const words = new Int32Array(partSlots * cellWords)
      this.#parts.push({ words, bytes: Buffer.from(words.buffer) })
    }
    return slot
  }

  #addLong(id: string): number {
    const slot = this.#newSlot()
    const at = (slot & partMask) * cellWords
    this.#parts[slot >>> partBits]!.words.fill(0, at, at + cellWords)
    this.#long.set(slot, id)
    this.#index.add(slot, hashOfText(id))
    return slot
  }

  #findLong(id: string): number {
    const hash = hashOfText(id)
    const cells = this.#index.cells(hash)
    const mask = cells.length - 1
    if (mask === -1) return -1
    for (let cell = hash & mask; ; cell = (cell + 1) & mask) {
      const slot = cells[cell]! - 1
      if (slot === -1 || this.#long.get(slot) === id) return slot
    }
  }

  #isHere(slot: number, words: Int32Array): boolean {
    const cells = this.#parts[slot >>> partBits]!.words
    const at = (slot & partMask) * cellWords
    // From the end: ids that were made one after another begin alike.
    for (let n = cellWords - 1; n >= 0; n--) if (cells[at + n] !== words[n]) return false
    return true
  }

  #hashOf(slot: number): number {
    const { words } = this.#parts[slot >>> partBits]!
    const at = (slot & partMask) * cellWords
    return words[at + cellWords - 1] === 0 ? hashOfText(this.#long.get(slot)!) : hashOfCell(words, at)
  }
}

const sought = new IdWords()

/** FNV-1a, its bits mixed once more: the upper ones choose the index's part. */
function hashOfText(id: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193)
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
}
