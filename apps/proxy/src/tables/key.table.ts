import { hash } from 'node:crypto'
import type { KeyConfig } from '@apigate/core'
import { digestWords } from './digest.words.ts'
import { IdTable, partBits, partMask, partSlots } from './id.table.ts'
import { SlotIndex } from './slot.index.ts'
import type { KeyLine } from './snapshot.line.ts'

/** Owner index of a key that belongs to nobody (a service or admin key). */
export const noOwner = 0xffffffff

const SCOPED = 1
const REVOKED = 2

const digestBytes = 32
const recentKeysMax = 8_192

interface RecentKey {
  readonly slot: number
  readonly id: string
}

interface Part {
  readonly digests: Uint32Array
  readonly owners: Uint32Array
  readonly endsAtMs: Float64Array
  readonly flags: Uint8Array
}

/**
 * API keys by the SHA-256 of what clients present, for millions of keys: columns of typed arrays (about 80 bytes a key,
 * nothing for the garbage collector to walk), found through two open-addressing indexes, by digest and by id. A change
 * touches one slot. Slots are reused: hold an id, not a slot, across a wait. The table grows by parts, in which nothing that is
 * there is moved, so that no change waits for the copy of a large array.
 *
 * A bounded cache of keys seen lately saves the hash. It holds slots of keys that exist and is dropped whenever one ends,
 * and the slot is what says whether a key is good, so that it never outlives a revocation.
 */
export class KeyTable {
  readonly #ids = new IdTable()
  readonly #parts: Part[] = []
  readonly #byDigest = new SlotIndex((slot) => this.#wordOf(slot, 0))
  readonly #sought = new Uint32Array(digestWords)
  #recent = new Map<string, RecentKey>()
  #older = new Map<string, RecentKey>()
  /** The one that was found last: what comes next is the question for its id. */
  #found: RecentKey | null = null

  get size(): number {
    return this.#ids.size
  }

  /** Slots are below this. */
  get used(): number {
    return this.#ids.used
  }

  /** Of all its columns and indexes. */
  get byteLength(): number {
    const columns = this.#parts.flatMap((part) => Object.values(part) as Uint8Array[])
    return columns.reduce((sum, { byteLength }) => sum + byteLength, this.#ids.byteLength + this.#byDigest.byteLength)
  }

  /** Slot of the key that a client presents, or -1. */
  find(key: string): number {
    const found = this.#recent.get(key) ?? this.#notice(key)
    if (found === null) return -1
    this.#found = found
    return found.slot
  }

  #notice(key: string): RecentKey | null {
    let found = this.#older.get(key)
    if (found === undefined) {
      const slot = this.findDigest(hash('sha256', key, 'latin1'))
      if (slot === -1) return null
      found = { slot, id: this.idOf(slot) }
    }
    if (this.#recent.size === recentKeysMax) {
      this.#older = this.#recent
      this.#recent = new Map()
    }
    this.#recent.set(key, found)
    return found
  }

  /** @param digest one character (0–255) a byte. */
  findDigest(digest: string): number {
    for (let i = 0; i < digestWords; i++) this.#sought[i] = wordOf(digest, i)
    return this.findWords(this.#sought)
  }

  /** @param digest its words, little-endian. */
  findWords(digest: Uint32Array): number {
    const word = digest[0]!
    const cells = this.#byDigest.cells(word)
    const mask = cells.length - 1
    if (mask === -1) return -1
    for (let cell = word & mask; ; cell = (cell + 1) & mask) {
      const slot = cells[cell]! - 1
      if (slot === -1 || this.#hasDigest(slot, digest)) return slot
    }
  }

  findId(id: string): number {
    return this.#ids.find(id)
  }

  /**
   * Adds the key or replaces the one of its id.
   *
   * @returns the slot.
   * @throws Error when the digest is not 32 bytes in base64 or another key's, or the id is too long; nothing is changed.
   */
  put(key: KeyConfig, owner: number): number {
    const digest = digestOf(key)
    const namesake = this.findWords(digest)
    let slot = this.#ids.find(key.id)
    if (namesake !== -1 && namesake !== slot) throw new Error(`key ${key.id}: its digest is that of another key`)
    if (slot !== -1 && namesake === -1) {
      this.delete(key.id)
      slot = -1
    }
    if (slot === -1) slot = this.#add(this.#ids.add(key.id), digest)
    this.#set(slot, owner, key.scopes.length > 0, key.expiresAtMs, key.revokedAtMs)
    return slot
  }

  /** Makes room for so many. */
  reserve(keys: number): void {
    this.#ids.reserve(keys)
    this.#byDigest.reserve(keys)
  }

  /**
   * Adds the key of a line.
   *
   * @returns false when there is a key of this id or digest already; nothing is changed then.
   */
  addLine({ id, digest, expiresAtMs, revokedAtMs }: KeyLine, owner: number): boolean {
    if (this.findWords(digest) !== -1 || this.#ids.findWords(id) !== -1) return false
    const slot = this.#add(this.#ids.addWords(id), digest)
    this.#set(slot, owner, false, expiresAtMs, revokedAtMs)
    return true
  }

  /** @returns the slot that is free now, or -1 when there was no such key. */
  delete(id: string): number {
    const slot = this.#ids.find(id)
    if (slot === -1) return -1
    this.#byDigest.remove(slot)
    this.#ids.remove(slot)
    this.#ids.free(slot)
    this.#recent.clear()
    this.#older.clear()
    this.#found = null
    return slot
  }

  /** @returns whether there is such a key. */
  revoke(id: string): boolean {
    const slot = this.#ids.find(id)
    if (slot === -1) return false
    const part = this.#parts[slot >>> partBits]!
    part.endsAtMs[slot & partMask] = -Infinity
    part.flags[slot & partMask]! |= REVOKED
    return true
  }

  idOf(slot: number): string {
    return this.#found?.slot === slot ? this.#found.id : this.#ids.idOf(slot)
  }

  /** Index into the owners, or `noOwner`. */
  ownerOf(slot: number): number {
    return this.#parts[slot >>> partBits]!.owners[slot & partMask]!
  }

  /** A service or admin key, which is no customer's. */
  isScoped(slot: number): boolean {
    return (this.#parts[slot >>> partBits]!.flags[slot & partMask]! & SCOPED) !== 0
  }

  /** Whether the key has expired or was revoked; `null` while it is good. */
  ended(slot: number, nowMs: number): 'key_expired' | 'key_revoked' | null {
    const part = this.#parts[slot >>> partBits]!
    const at = slot & partMask
    if (nowMs < part.endsAtMs[at]!) return null
    return (part.flags[at]! & REVOKED) !== 0 ? 'key_revoked' : 'key_expired'
  }

  /** What is kept of the digest, which `findDigest` takes as well. */
  digestOf(slot: number): string {
    const bytes = Buffer.alloc(digestWords * 4)
    for (let i = 0; i < digestWords; i++) bytes.writeUInt32LE(this.#wordOf(slot, i), i * 4)
    return bytes.toString('latin1')
  }

  #wordOf(slot: number, index: number): number {
    return this.#parts[slot >>> partBits]!.digests[(slot & partMask) * digestWords + index]!
  }

  #hasDigest(slot: number, digest: Uint32Array): boolean {
    const { digests } = this.#parts[slot >>> partBits]!
    const at = (slot & partMask) * digestWords
    for (let i = 0; i < digestWords; i++) if (digests[at + i] !== digest[i]) return false
    return true
  }

  #add(slot: number, digest: Uint32Array): number {
    const part = slot >>> partBits
    if (part === this.#parts.length) this.#parts.push(newPart())
    const { digests } = this.#parts[part]!
    const at = (slot & partMask) * digestWords
    for (let i = 0; i < digestWords; i++) digests[at + i] = digest[i]!
    this.#byDigest.add(slot, digest[0]!)
    return slot
  }

  #set(slot: number, owner: number, isScoped: boolean, expiresAtMs: number | null, revokedAtMs: number | null): void {
    const part = this.#parts[slot >>> partBits]!
    const at = slot & partMask
    part.owners[at] = owner
    // As `keyState` of core has it: a revoked key is revoked whatever this worker's clock says.
    const isRevoked = revokedAtMs !== null
    part.endsAtMs[at] = isRevoked ? -Infinity : (expiresAtMs ?? Infinity)
    part.flags[at] = (isScoped ? SCOPED : 0) | (isRevoked ? REVOKED : 0)
  }
}

function newPart(): Part {
  return {
    digests: new Uint32Array(partSlots * digestWords),
    owners: new Uint32Array(partSlots),
    endsAtMs: new Float64Array(partSlots),
    flags: new Uint8Array(partSlots),
  }
}

/** @throws Error when the key cannot be stored. */
function digestOf(key: KeyConfig): Uint32Array {
  const bytes = Buffer.from(key.digest, 'base64')
  if (bytes.length !== digestBytes) throw new Error(`key ${key.id}: its digest is not 32 bytes in base64`)
  return Uint32Array.from({ length: digestWords }, (_, index) => bytes.readUInt32LE(index * 4))
}

/** Little-endian. */
function wordOf(digest: string, index: number): number {
  const at = index * 4
  const low = digest.charCodeAt(at) | (digest.charCodeAt(at + 1) << 8)
  return (low | (digest.charCodeAt(at + 2) << 16) | (digest.charCodeAt(at + 3) << 24)) >>> 0
}
