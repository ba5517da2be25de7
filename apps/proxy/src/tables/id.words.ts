/** Words of a cell that holds an id. */
export const cellWords = 8
export const cellBytes = cellWords * 4
/** What fits into a cell beside its length; ids of our own have 30 bytes at most. */
export const inlineBytesMax = cellBytes - 1

/**
 * An id as tables hold it, to be looked for and stored four bytes at a time: little-endian words of its bytes, then zeros, and its
 * length in the last byte. One object for many ids, one after another.
 */
export class IdWords {
  readonly words = new Int32Array(cellWords)
  hash = 0
  /** In bytes; at most 31. */
  length = 0
  readonly #bytes = Buffer.from(this.words.buffer)

  /**
   * Takes the id of so many bytes, 1 to 31, at a place behind which there are at least 32.
   *
   * @returns whether these are characters that an id may have and that JSON writes as they are; the object is of no use otherwise.
   */
  take(view: DataView, start: number, length: number): boolean {
    const { words } = this
    const whole = length >> 2
    let bad = 0
    for (let n = 0; n < whole; n++) {
      const word = view.getInt32(start + n * 4, true)
      bad |= badBytes(word)
      words[n] = word
    }
    const mask = (1 << ((length & 3) * 8)) - 1
    const rest = view.getInt32(start + whole * 4, true) & mask
    bad |= badBytes(rest | (dashes & ~mask))
    words[whole] = rest
    for (let n = whole + 1; n < cellWords; n++) words[n] = 0
    this.#end(length)
    return (bad & topBits) === 0
  }

  /** Takes an id of at most 31 characters. @returns false when it is empty or has a character that no id in a table has. */
  takeText(id: string): boolean {
    if (id === '') return false
    this.words.fill(0)
    for (let i = 0; i < id.length; i++) {
      const code = id.charCodeAt(i)
      if (code > 0x7e) return false
      this.#bytes[i] = code
    }
    this.#end(id.length)
    return true
  }

  #end(length: number): void {
    this.length = length
    this.words[cellWords - 1]! |= length << 24
    this.hash = hashOfCell(this.words, 0)
  }
}

/** MurmurHash3 of a cell's words: its upper bits choose an index's part, its lower ones the place there. */
export function hashOfCell(words: Int32Array, at: number): number {
  let hash = 0
  for (let n = at; n < at + cellWords; n++) {
    let word = Math.imul(words[n]!, 0xcc9e2d51)
    word = Math.imul((word << 15) | (word >>> 17), 0x1b873593)
    hash ^= word
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

const topBits = 0x80808080 | 0
const ones = 0x01010101
const dashes = 0x2d2d2d2d
const [quotes, backslashes, exclamations] = [0x22222222, 0x5c5c5c5c, 0x21212121] as const

/** Has a byte's top bit set where one of the four is not printable ASCII, a space, a quote or a backslash. */
function badBytes(word: number): number {
  const quote = word ^ quotes
  const backslash = word ^ backslashes
  return (
    word |
    (word + ones) |
    ((word - exclamations) & ~word) |
    ((quote - ones) & ~quote) |
    ((backslash - ones) & ~backslash)
  )
}
