import type { UserStatus } from '@apigate/core'
import { digestCharacters, digestWords, readDigest } from './digest.words.ts'
import { cellBytes, IdWords, inlineBytesMax } from './id.words.ts'

/**
 * A line of a snapshot with a key or a user, read from its bytes as the control plane writes it (`JSON.stringify` of the item,
 * the attributes in the order of the contract), many times faster than by parsing it. Whatever looks otherwise, escapes and
 * longer ids than our own included, is not read here: JSON says the same in many ways, and the parser knows them all.
 *
 * One object for all lines: it holds what the last one said.
 */
abstract class Line {
  readonly id = new IdWords()
  /** Behind what was read: where the line ends, after `read`. */
  at = 0
  protected bytes: Uint8Array = new Uint8Array()
  /** The same bytes. */
  protected view = new DataView(this.bytes.buffer)

  /** Begins with the line at `start`. */
  protected begin(bytes: Uint8Array, start: number): void {
    this.at = start
    if (bytes === this.bytes) return
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Goes behind a text that must stand here. */
  protected skip({ words, length }: Text): boolean {
    const { at, bytes, view } = this
    if (at + length > bytes.length) return false
    const last = words.length - 1
    for (let n = 0; n < last; n++) if (view.getInt32(at + n * 4, true) !== words[n]) return false
    if (view.getInt32(at + length - 4, true) !== words[last]) return false
    this.at = at + length
    return true
  }

  /** Reads an id that begins here, up to its quote; false when it may not be stored as it stands. */
  protected readId(id: IdWords): boolean {
    const { at, bytes, view } = this
    // Behind an id there is more than that in any line that is read here.
    if (at + cellBytes > bytes.length) return false
    let { length } = id
    // Nearly all are as long as the one before. What is longer than it seems has a quote in it, which is refused.
    if (bytes[at + length] !== quote || length === 0 || !id.take(view, at, length)) {
      for (length = 0; bytes[at + length] !== quote; length++) if (length === inlineBytesMax) return false
      if (length === 0 || !id.take(view, at, length)) return false
    }
    this.at = at + length
    return true
  }

  /** Goes to the quote behind a text that begins here and is written as it stands, of as many characters as an id. */
  protected skipName(): boolean {
    const { at: start, bytes } = this
    const end = Math.min(start + inlineBytesMax + 1, bytes.length)
    let at = start
    for (; at < end; at++) {
      const byte = bytes[at]!
      if (byte === quote) break
      if (byte <= space || byte > tilde || byte === backslash) return false
    }
    this.at = at
    return at > start && at < end
  }

  /** Goes to the line feed behind the braces that close a line. */
  protected skipClosing(): boolean {
    const { at, bytes } = this
    this.at = at + 2
    return bytes[at] === brace && bytes[at + 1] === brace && bytes[at + 2] === lineFeed
  }

  /** Reads `null` or a whole number as JSON has them; undefined for anything else. */
  protected time(): number | null | undefined {
    if (this.skip(nullText)) return null
    const { bytes } = this
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

/** Bytes to be compared four at a time; at least four. */
interface Text {
  /** Little-endian, one behind another; the last one is of the last four bytes. */
  readonly words: Int32Array
  readonly length: number
}

function textOf(bytes: Uint8Array): Text {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const words = Int32Array.from({ length: Math.ceil(bytes.length / 4) }, (_, n) =>
    view.getInt32(Math.min(n * 4, bytes.length - 4), true),
  )
  return { words, length: bytes.length }
}

/** `{"kind":"key",…}` of a customer's key: one without scopes. */
export class KeyLine extends Line {
  readonly digest = new Uint32Array(digestWords)
  /** The user or the group whose it is. */
  readonly owner = new IdWords()
  /** Else it is nobody's. */
  hasOwner = false
  expiresAtMs: number | null = null
  revokedAtMs: number | null = null

  /** @returns whether that is what stands there, up to the line's end; what the object holds is of no use otherwise. */
  read(bytes: Uint8Array, start: number): boolean {
    this.begin(bytes, start)
    if (!this.skip(keyTexts.id) || !this.readId(this.id)) return false
    if (!this.skip(keyTexts.digest) || !readDigest(bytes, this.at, this.digest)) return false
    this.at += digestCharacters
    if (!this.skip(keyTexts.prefix) || !this.skipName()) return false
    this.hasOwner = true
    if (this.skip(keyTexts.user)) {
      if (!this.readId(this.owner)) return false
      if (this.skip(keyTexts.usersGoodKey)) {
        this.expiresAtMs = this.revokedAtMs = null
        this.at -= 1
        return true
      }
      if (!this.skip(keyTexts.behindUser)) return false
    } else if (this.skip(keyTexts.group)) {
      if (!this.readId(this.owner) || !this.skip(keyTexts.behindGroup)) return false
    } else {
      this.hasOwner = false
      if (!this.skip(keyTexts.nobody)) return false
    }
    return this.#readTimes()
  }

  #readTimes(): boolean {
    const expiresAtMs = this.time()
    if (expiresAtMs === undefined || !this.skip(keyTexts.revokedAtMs)) return false
    const revokedAtMs = this.time()
    if (revokedAtMs === undefined) return false
    this.expiresAtMs = expiresAtMs
    this.revokedAtMs = revokedAtMs
    return this.skipClosing()
  }
}

/** `{"kind":"user",…}`. */
export class UserLine extends Line {
  status: UserStatus = 'active'
  planId = ''
  /** What stood behind the id the last time: most users are in the state and on the plan of the one before. */
  #behindId: Text | null = null

  /** @returns whether that is what stands there, up to the line's end; what the object holds is of no use otherwise. */
  read(bytes: Uint8Array, start: number): boolean {
    this.begin(bytes, start)
    if (!this.skip(userTexts.id) || !this.readId(this.id)) return false
    if (this.#behindId !== null && this.skip(this.#behindId)) {
      this.at -= 1
      return true
    }
    const behindId = this.at
    this.#behindId = null
    if (!this.skip(userTexts.status) || !this.#readStatus() || !this.skip(userTexts.planId)) return false
    const planStart = this.at
    if (!this.skipName()) return false
    this.planId = Buffer.from(bytes.subarray(planStart, this.at)).toString('latin1')
    this.at += 1
    if (!this.skipClosing()) return false
    this.#behindId = textOf(bytes.subarray(behindId, this.at + 1))
    return true
  }

  #readStatus(): boolean {
    for (const [name, text] of statuses) {
      if (!this.skip(text)) continue
      this.status = name
      return true
    }
    return false
  }
}

const [quote, backslash, brace, space, tilde, zero, lineFeed] = [0x22, 0x5c, 0x7d, 0x20, 0x7e, 0x30, 0x0a] as const
/** Beyond it a number may not be exact. */
const timeDigitsMax = 15

const text = (of: string): Text => textOf(Buffer.from(of, 'latin1'))
const nullText = text('null')
const keyTexts = {
  id: text('{"kind":"key","op":"put","value":{"id":"'),
  digest: text('","digest":"'),
  prefix: text('","prefix":"'),
  user: text('","userId":"'),
  usersGoodKey: text('","groupId":null,"scopes":[],"expiresAtMs":null,"revokedAtMs":null}}\n'),
  behindUser: text('","groupId":null,"scopes":[],"expiresAtMs":'),
  group: text('","userId":null,"groupId":"'),
  behindGroup: text('","scopes":[],"expiresAtMs":'),
  nobody: text('","userId":null,"groupId":null,"scopes":[],"expiresAtMs":'),
  revokedAtMs: text(',"revokedAtMs":'),
}
const userTexts = {
  id: text('{"kind":"user","op":"put","value":{"id":"'),
  status: text('","status":"'),
  planId: text('","planId":"'),
}
const statuses = (['active', 'pending', 'suspended', 'cancelled'] as const).map((name) => [name, text(name)] as const)
