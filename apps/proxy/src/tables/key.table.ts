import { hash } from 'node:crypto'
import type { KeyConfig } from '@apigate/core'
import { SlotIndex } from './slot.index.ts'

/** Owner index of a key that belongs to nobody (a service or admin key). */
export const noOwner = 0xffffffff

const SCOPED = 1
const REVOKED = 2

const digestWords = 8
const idBytesMax = 255
const recentKeysMax = 8_192

/**
 * API keys by the SHA-256 of what clients present, for millions of keys: columns of typed arrays (about 110 bytes a key,
 * nothing for the garbage collector to walk), found through two open-addressing indexes, by digest and by id. A change
 * touches one slot. Slots are reused: hold an id, not a slot, across a wait.
 *
 * A bounded cache of keys seen lately saves the hash. It holds slots of keys that exist and is dropped whenever one ends,
 * and the slot is what says whether a key is good, so that it never outlives a revocation.
 */
export class KeyTable {
  #capacity = 16
  /** Slots ever used; free ones among them are in `#free`. */
  #used = 0
  readonly #free: number[] = []
  #digests = new Uint32Array(16 * digestWords)
  #owners = new Uint32Array(16)
  #endsAtMs = new Float64Array(16)
  #flags = new Uint8Array(16)
  #idOffsets = new Uint32Array(16)
  /** Ids one after another, each behind its length in one byte. */
  #ids = Buffer.alloc(1_024)
  #idBytes = 0
  #deadIdBytes = 0
  readonly #byDigest = new SlotIndex((slot) => this.#digests[slot * digestWords]!)
  readonly #byId = new SlotIndex((slot) => hashOfId(this.idOf(slot)))
  #recent = new Map<string, number>()
  #older = new Map<string, number>()

  get size(): number {
    return this.#used - this.#free.length
  }

  /** Slots are below this; what is kept beside the table by slot grows with it. */
  get capacity(): number {
    return this.#capacity
  }

  /** Slot of the key that a client presents, or -1. */
  find(key: string): number {
    const known = this.#recent.get(key)
    if (known !== undefined) return known
    let slot = this.#older.get(key) ?? -1
    if (slot === -1) slot = this.findDigest(hash('sha256', key, 'latin1'))
    if (slot !== -1) {
      if (this.#recent.size === recentKeysMax) {
        this.#older = this.#recent
        this.#recent = new Map()
      }
      this.#recent.set(key, slot)
    }
    return slot
  }

  /** @param digest one character (0–255) a byte. */
  findDigest(digest: string): number {
    const word = wordOf(digest, 0)
    const index = this.#byDigest
    for (let cell = index.first(word); ; cell = index.next(cell)) {
      const slot = index.slotAt(cell)
      if (slot === -1 || this.#hasDigest(slot, digest)) return slot
    }
  }

  findId(id: string): number {
    const index = this.#byId
    for (let cell = index.first(hashOfId(id)); ; cell = index.next(cell)) {
      const slot = index.slotAt(cell)
      if (slot === -1 || this.idOf(slot) === id) return slot
    }
  }

  /**
   * Adds the key or replaces the one of its id.
   *
   * @returns the slot.
   * @throws Error when the digest is not 32 bytes in base64 or another key's, or the id is too long; nothing is changed.
   */
  put(key: KeyConfig, owner: number): number {
    const digest = digestOf(key)
    const namesake = this.findDigest(digest)
    let slot = this.findId(key.id)
    if (namesake !== -1 && namesake !== slot) throw new Error(`key ${key.id}: its digest is that of another key`)
    if (slot !== -1 && namesake === -1) {
      this.delete(key.id)
      slot = -1
    }
    if (slot === -1) slot = this.#add(key.id, digest)
    this.#owners[slot] = owner
    // As `keyState` of core has it: a revoked key is revoked whatever this worker's clock says.
    const isRevoked = key.revokedAtMs !== null
    this.#endsAtMs[slot] = isRevoked ? -Infinity : (key.expiresAtMs ?? Infinity)
    this.#flags[slot] = (key.scopes.length > 0 ? SCOPED : 0) | (isRevoked ? REVOKED : 0)
    return slot
  }

  /** @returns the slot that is free now, or -1 when there was no such key. */
  delete(id: string): number {
    const slot = this.findId(id)
    if (slot === -1) return -1
    this.#byDigest.remove(slot)
    this.#byId.remove(slot)
    this.#deadIdBytes += this.#ids[this.#idOffsets[slot]!]! + 1
    this.#free.push(slot)
    this.#recent.clear()
    this.#older.clear()
    return slot
  }

  idOf(slot: number): string {
    const start = this.#idOffsets[slot]! + 1
    return this.#ids.toString('latin1', start, start + this.#ids[start - 1]!)
  }

  /** Index into the owners, or `noOwner`. */
  ownerOf(slot: number): number {
    return this.#owners[slot]!
  }

  /** A service or admin key, which is no customer's. */
  isScoped(slot: number): boolean {
    return (this.#flags[slot]! & SCOPED) !== 0
  }

  /** Whether the key has expired or was revoked; `null` while it is good. */
  ended(slot: number, nowMs: number): 'key_expired' | 'key_revoked' | null {
    if (nowMs < this.#endsAtMs[slot]!) return null
    return (this.#flags[slot]! & REVOKED) !== 0 ? 'key_revoked' : 'key_expired'
  }

  /** The digest as `findDigest` takes it. */
  digestOf(slot: number): string {
    const bytes = Buffer.alloc(digestWords * 4)
    for (let i = 0; i < digestWords; i++) bytes.writeUInt32LE(this.#digests[slot * digestWords + i]!, i * 4)
    return bytes.toString('latin1')
  }

  #hasDigest(slot: number, digest: string): boolean {
    const start = slot * digestWords
    for (let i = 0; i < digestWords; i++) if (this.#digests[start + i] !== wordOf(digest, i)) return false
    return true
  }

  #add(id: string, digest: string): number {
    const slot = this.#free.pop() ?? this.#used++
    if (slot >= this.#capacity) this.#grow()
    for (let i = 0; i < digestWords; i++) this.#digests[slot * digestWords + i] = wordOf(digest, i)
    this.#idOffsets[slot] = this.#storeId(id)
    this.#byDigest.add(slot)
    this.#byId.add(slot)
    return slot
  }

  #storeId(id: string): number {
    if (this.#idBytes + id.length + 1 > this.#ids.length) this.#makeRoomForIds(id.length + 1)
    const offset = this.#idBytes
    this.#ids[offset] = id.length
    this.#ids.write(id, offset + 1, 'latin1')
    this.#idBytes += id.length + 1
    return offset
  }

  /** Drops the ids of deleted keys when they are the half, else makes the buffer bigger by a quarter. */
  #makeRoomForIds(bytes: number): void {
    const isMostlyDead = this.#deadIdBytes * 2 > this.#idBytes
    const size = isMostlyDead ? this.#ids.length : Math.ceil(this.#ids.length * 1.25)
    const ids = Buffer.alloc(Math.max(size, this.#idBytes + bytes))
    if (!isMostlyDead) {
      this.#ids.copy(ids, 0, 0, this.#idBytes)
      this.#ids = ids
      return
    }
    const isFree = new Uint8Array(this.#used)
    for (const slot of this.#free) isFree[slot] = 1
    let end = 0
    for (let slot = 0; slot < this.#used; slot++) {
      if (isFree[slot] === 1) continue
      const start = this.#idOffsets[slot]!
      const length = this.#ids[start]! + 1
      this.#ids.copy(ids, end, start, start + length)
      this.#idOffsets[slot] = end
      end += length
    }
    this.#ids = ids
    this.#idBytes = end
    this.#deadIdBytes = 0
  }

  #grow(): void {
    this.#capacity = Math.ceil(this.#capacity * 1.25)
    this.#digests = grown(this.#digests, new Uint32Array(this.#capacity * digestWords))
    this.#owners = grown(this.#owners, new Uint32Array(this.#capacity))
    this.#endsAtMs = grown(this.#endsAtMs, new Float64Array(this.#capacity))
    this.#flags = grown(this.#flags, new Uint8Array(this.#capacity))
    this.#idOffsets = grown(this.#idOffsets, new Uint32Array(this.#capacity))
  }
}

function grown<T extends Uint8Array | Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
}

/** @throws Error when the key cannot be stored. */
function digestOf(key: KeyConfig): string {
  if (key.id.length > idBytesMax || !/^[\x21-\x7e]+$/.test(key.id)) throw new Error(`a key's id is not usable`)
  const bytes = Buffer.from(key.digest, 'base64')
  if (bytes.length !== digestWords * 4) throw new Error(`key ${key.id}: its digest is not 32 bytes in base64`)
  return bytes.toString('latin1')
}

/** Little-endian. */
function wordOf(digest: string, index: number): number {
  const at = index * 4
  const low = digest.charCodeAt(at) | (digest.charCodeAt(at + 1) << 8)
  return (low | (digest.charCodeAt(at + 2) << 16) | (digest.charCodeAt(at + 3) << 24)) >>> 0
}

/** FNV-1a. */
function hashOfId(id: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
