import { SlotIndex } from './slot.index.ts'

/** Of a part of a table's columns. Tables grow by whole parts, so that nothing is copied and nobody waits for it. */
export const partBits = 12
export const partSlots = 1 << partBits
export const partMask = partSlots - 1

const cellBytes = 32
/** What fits into a cell beside its length; ids of our own have 30 bytes at most. */
const inlineBytesMax = cellBytes - 1
const idBytesMax = 255

/**
 * Ids by slot and slots by id, for millions of ids: 32 bytes each in buffers that the garbage collector need not walk, and an
 * index. Ids are printable ASCII; longer ones than our own are kept aside. Looks up ids that still lie in a larger buffer, too,
 * so that a snapshot is read without a string for each id.
 */
export class IdTable {
  /** Parts of cells: length, then the id. */
  readonly #parts: Buffer[] = []
  /** Ids that are too long for a cell, whose length is 0. */
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
    return isAscii(id) ? this.findBytes(scratch, 0, id.length, idHash(scratch, 0, id.length)) : -1
  }

  /** The same of the bytes from `start` to `end`: at most 31, of this hash. */
  findBytes(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const length = end - start
    const cells = this.#index.cells(hash)
    const mask = cells.length - 1
    if (mask === -1) return -1
    for (let cell = hash & mask; ; cell = (cell + 1) & mask) {
      const slot = cells[cell]! - 1
      if (slot === -1 || this.#isHere(slot, bytes, start, length)) return slot
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
    isAscii(id)
    return this.addBytes(scratch, 0, id.length, idHash(scratch, 0, id.length))
  }

  /** The same of bytes that are known to be at most 31 characters of printable ASCII, of this hash. */
  addBytes(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const slot = this.#newSlot()
    const part = this.#parts[slot >>> partBits]!
    let at = (slot & partMask) * cellBytes
    part[at++] = end - start
    for (let from = start; from < end;) part[at++] = bytes[from++]!
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
    const part = this.#parts[slot >>> partBits]!
    const at = (slot & partMask) * cellBytes
    const length = part[at]!
    return length === 0 ? (this.#long.get(slot) ?? '') : part.toString('latin1', at + 1, at + 1 + length)
  }

  #newSlot(): number {
    this.#size += 1
    const slot = this.#free.pop() ?? this.#used++
    if (slot >>> partBits === this.#parts.length) this.#parts.push(Buffer.alloc(partSlots * cellBytes))
    return slot
  }

  #addLong(id: string): number {
    const slot = this.#newSlot()
    this.#parts[slot >>> partBits]![(slot & partMask) * cellBytes] = 0
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

  #isHere(slot: number, bytes: Uint8Array, start: number, length: number): boolean {
    const part = this.#parts[slot >>> partBits]!
    const at = (slot & partMask) * cellBytes
    if (part[at] !== length) return false
    // From the end: ids that were made one after another begin alike.
    for (let i = length - 1; i >= 0; i--) if (part[at + 1 + i] !== bytes[start + i]) return false
    return true
  }

  #hashOf(slot: number): number {
    const part = this.#parts[slot >>> partBits]!
    const at = (slot & partMask) * cellBytes
    const length = part[at]!
    return length === 0 ? hashOfText(this.#long.get(slot)!) : idHash(part, at + 1, at + 1 + length)
  }
}

const scratch = Buffer.alloc(inlineBytesMax)

/** Puts the id into `scratch`, into which it must fit; false when it has a character that no id in the table has. */
function isAscii(id: string): boolean {
  for (let i = 0; i < id.length; i++) {
    const code = id.charCodeAt(i)
    if (code > 0x7e) return false
    scratch[i] = code
  }
  return true
}

/** FNV-1a, one byte at a time: begin with `hashStart`, end with `hashEnd`. */
export const hashStart = 0x811c9dc5
export const hashStep = (hash: number, byte: number): number => Math.imul(hash ^ byte, 0x01000193)
/** Mixes its bits once more: the upper ones choose the index's part. */
export const hashEnd = (hash: number): number => Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)

function idHash(bytes: Uint8Array, start: number, end: number): number {
  let hash = hashStart
  for (let at = start; at < end; at++) hash = hashStep(hash, bytes[at]!)
  return hashEnd(hash)
}

function hashOfText(id: string): number {
  let hash = hashStart
  for (let i = 0; i < id.length; i++) hash = hashStep(hash, id.charCodeAt(i))
  return hashEnd(hash)
}
