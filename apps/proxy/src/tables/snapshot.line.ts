import type { UserStatus } from '@apigate/core'
import { hashEnd, hashStart, hashStep } from './id.table.ts'

/**
 * A line of a snapshot with a key or a user, read from its bytes as the control plane writes it (`JSON.stringify` of the item,
 * the attributes in the order of the contract), many times faster than by parsing it. Whatever looks otherwise, escapes and
 * longer ids than our own included, is not read here: JSON says the same in many ways, and the parser knows them all.
 *
 * One object for all lines: it holds what the last one said.
 */
abstract class Line {
  bytes: Uint8Array = new Uint8Array()
  /** The same bytes. */
  #view = new DataView(this.bytes.buffer)
  /** Places in `bytes`, and the hash by which tables look for what stands there. */
  idStart = 0
  idEnd = 0
  idHash = 0
  /** Behind what was read: where the line ends, after `read`. */
  at = 0
  /** Of the last id that was skipped. */
  protected hash = 0

  /** Begins with the line at `start`. */
  protected begin(bytes: Uint8Array, start: number): void {
    this.at = start
    if (bytes === this.bytes) return
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Goes behind a text that must stand here. */
  protected skip(bytes: Uint8Array, { words, rest, length }: Text): boolean {
    let at = this.at
    if (at + length > bytes.length) return false
    const view = this.#view
    for (let i = 0; i < words.length; i++, at += 4) if (view.getInt32(at, true) !== words[i]) return false
    for (let i = 0; i < rest.length; i++, at++) if (bytes[at] !== rest[i]) return false
    this.at = at
    return true
  }

  /** Goes to the quote behind an id that begins here; false when it may not be stored as it stands. */
  protected skipId(bytes: Uint8Array): boolean {
    const start = this.at
    const end = Math.min(start + idBytesMax + 1, bytes.length)
    let at = start
    let hash = hashStart
    for (; at < end; at++) {
      const byte = bytes[at]!
      if (byte === quote) break
      if (byte <= space || byte > tilde || byte === backslash) return false
      hash = hashStep(hash, byte)
    }
    this.at = at
    this.hash = hashEnd(hash)
    return at > start && at < end
  }

  /** Reads `null` or a whole number as JSON has them; undefined for anything else. */
  protected time(bytes: Uint8Array): number | null | undefined {
    if (this.skip(bytes, nullText)) return null
    let value = 0
    const start = this.at
    for (let digit = bytes[this.at]! - zero; digit >= 0 && digit <= 9; digit = bytes[++this.at]! - zero) {
      value = value * 10 + digit
    }
    const digits = this.at - start
    if (digits > 1 && bytes[start] === zero) return undefined
    return digits > 0 && digits <= timeDigitsMax ? value : undefined
  }
}

/** Bytes to be compared four at a time. */
interface Text {
  /** Little-endian. */
  readonly words: Int32Array
  readonly rest: Uint8Array
  readonly length: number
}

function textOf(bytes: Uint8Array): Text {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const words = Int32Array.from({ length: bytes.length >> 2 }, (_, i) => view.getInt32(i * 4, true))
  return { words, rest: bytes.slice(words.length * 4), length: bytes.length }
}

/** `{"kind":"key",…}` of a customer's key: one without scopes. */
export class KeyLine extends Line {
  /** Little-endian words. */
  readonly digest = new Uint32Array(8)
  /** Of the user's or the group's id; empty = nobody's. */
  ownerStart = 0
  ownerEnd = 0
  ownerHash = 0
  expiresAtMs: number | null = null
  revokedAtMs: number | null = null
  readonly #digestBytes = new Uint8Array(this.digest.buffer)

  /** @returns whether that is what stands there, up to the line's end; what the object holds is of no use otherwise. */
  read(bytes: Uint8Array, start: number): boolean {
    this.begin(bytes, start)
    if (!this.skip(bytes, keyTexts.id)) return false
    this.idStart = this.at
    if (!this.skipId(bytes)) return false
    this.idEnd = this.at
    this.idHash = this.hash
    if (!this.skip(bytes, keyTexts.digest) || !this.#readDigest(bytes)) return false
    if (!this.skip(bytes, keyTexts.prefix) || !this.skipId(bytes)) return false
    if (!this.#readOwner(bytes) || !this.skip(bytes, keyTexts.expiresAtMs)) return false
    const expiresAtMs = this.time(bytes)
    if (expiresAtMs === undefined || !this.skip(bytes, keyTexts.revokedAtMs)) return false
    const revokedAtMs = this.time(bytes)
    if (revokedAtMs === undefined) return false
    this.expiresAtMs = expiresAtMs
    this.revokedAtMs = revokedAtMs
    return this.skip(bytes, closing) && bytes[this.at] === lineFeed
  }

  #readOwner(bytes: Uint8Array): boolean {
    if (!this.skip(bytes, keyTexts.userId)) return false
    const isUsers = !this.skip(bytes, nullText)
    if (isUsers && !this.#readOwnerId(bytes)) return false
    if (!this.skip(bytes, keyTexts.groupId)) return false
    if (this.skip(bytes, nullText)) {
      if (!isUsers) this.ownerStart = this.ownerEnd = 0
      return true
    }
    return !isUsers && this.#readOwnerId(bytes)
  }

  #readOwnerId(bytes: Uint8Array): boolean {
    if (bytes[this.at] !== quote) return false
    this.ownerStart = ++this.at
    if (!this.skipId(bytes)) return false
    this.ownerEnd = this.at++
    this.ownerHash = this.hash
    return true
  }

  /** 43 characters of base64 and a `=`: 32 bytes. */
  #readDigest(bytes: Uint8Array): boolean {
    const into = this.#digestBytes
    let from = this.at
    let bad = 0
    for (let to = 0; to < 30; to += 3, from += 4) {
      const a = sextets[bytes[from]!]!
      const b = sextets[bytes[from + 1]!]!
      const c = sextets[bytes[from + 2]!]!
      const d = sextets[bytes[from + 3]!]!
      bad |= a | b | c | d
      into[to] = (a << 2) | (b >> 4)
      into[to + 1] = (b << 4) | (c >> 2)
      into[to + 2] = (c << 6) | d
    }
    const a = sextets[bytes[from]!]!
    const b = sextets[bytes[from + 1]!]!
    const c = sextets[bytes[from + 2]!]!
    bad |= a | b | c
    into[30] = (a << 2) | (b >> 4)
    into[31] = (b << 4) | (c >> 2)
    this.at = from + 4
    return (bad & notBase64) === 0 && bytes[from + 3] === equals
  }
}

/** `{"kind":"user",…}`. */
export class UserLine extends Line {
  status: UserStatus = 'active'
  planId = ''
  /** The bytes of `planId`: most users are on the plan of the one before. */
  #plan = textOf(new Uint8Array())

  /** @returns whether that is what stands there, up to the line's end; what the object holds is of no use otherwise. */
  read(bytes: Uint8Array, start: number): boolean {
    this.begin(bytes, start)
    if (!this.skip(bytes, userTexts.id)) return false
    this.idStart = this.at
    if (!this.skipId(bytes)) return false
    this.idEnd = this.at
    this.idHash = this.hash
    if (!this.skip(bytes, userTexts.status)) return false
    if (!this.#readStatus(bytes) || !this.skip(bytes, userTexts.planId)) return false
    const planStart = this.at
    if (!this.skip(bytes, this.#plan) || bytes[this.at] !== quote) {
      this.at = planStart
      if (!this.skipId(bytes)) return false
      const plan = bytes.slice(planStart, this.at)
      this.#plan = textOf(plan)
      this.planId = Buffer.from(plan).toString('latin1')
    }
    this.at++
    return this.skip(bytes, closing) && bytes[this.at] === lineFeed
  }

  #readStatus(bytes: Uint8Array): boolean {
    for (const [name, text] of statuses) {
      if (!this.skip(bytes, text)) continue
      this.status = name
      return true
    }
    return false
  }
}

const [quote, backslash, space, tilde, zero, equals, lineFeed] = [0x22, 0x5c, 0x20, 0x7e, 0x30, 0x3d, 0x0a] as const
const idBytesMax = 31
/** Beyond it a number may not be exact. */
const timeDigitsMax = 15
const notBase64 = 0xc0

const text = (of: string): Text => textOf(Buffer.from(of, 'latin1'))
const nullText = text('null')
const closing = text('}}')
const keyTexts = {
  id: text('{"kind":"key","op":"put","value":{"id":"'),
  digest: text('","digest":"'),
  prefix: text('","prefix":"'),
  userId: text('","userId":'),
  groupId: text(',"groupId":'),
  expiresAtMs: text(',"scopes":[],"expiresAtMs":'),
  revokedAtMs: text(',"revokedAtMs":'),
}
const userTexts = {
  id: text('{"kind":"user","op":"put","value":{"id":"'),
  status: text('","status":"'),
  planId: text('","planId":"'),
}
const statuses = (['active', 'pending', 'suspended', 'cancelled'] as const).map((name) => [name, text(name)] as const)

/** What a character of base64 stands for, by its code; 0xff for others. */
const sextets = new Uint8Array(256).fill(0xff)
const alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')
for (const [value, character] of alphabet.entries()) sextets[character] = value
