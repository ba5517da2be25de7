/** What is kept of a SHA-256, and compared: half of it. Whoever looks for another key with the same 128 bits tries 2^128 times. */
export const digestWords = 4
/** Base64 of 32 bytes: 43 characters and a `=`. */
export const digestCharacters = 44
const equals = 0x3d

/**
 * Reads the digest whose base64 stands at a place into its first words, little-endian.
 *
 * @returns whether that is what stands there; the words are of no use otherwise.
 */
export function readDigest(bytes: Uint8Array, at: number, into: Uint32Array): boolean {
  if (at + digestCharacters > bytes.length || bytes[at + digestCharacters - 1] !== equals) return false
  const a = threeBytes(bytes, at)
  const b = threeBytes(bytes, at + 4)
  const c = threeBytes(bytes, at + 8)
  const d = threeBytes(bytes, at + 12)
  const e = threeBytes(bytes, at + 16)
  const f = threeBytes(bytes, at + 20)
  into[0] = a | (b << 24)
  into[1] = (b >>> 8) | (c << 16)
  into[2] = (c >>> 16) | (d << 8)
  into[3] = e | (f << 24)
  let bad = a | b | c | d | e | f
  for (let rest = at + 24; rest < at + digestCharacters - 1; rest++) bad |= first[bytes[rest]!]!
  return (bad & notBase64) === 0
}

/** Of four characters, the first byte lowest. */
function threeBytes(bytes: Uint8Array, at: number): number {
  return first[bytes[at]!]! | second[bytes[at + 1]!]! | third[bytes[at + 2]!]! | fourth[bytes[at + 3]!]!
}

/** What a character gives to three bytes by its place among four. */
const notBase64 = 1 << 24
const [first, second, third, fourth] = Array.from({ length: 4 }, () => new Int32Array(256).fill(notBase64)) as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
]
const alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')
for (const [value, character] of alphabet.entries()) {
  first[character] = value << 2
  second[character] = (value >> 4) | ((value & 0x0f) << 12)
  third[character] = ((value >> 2) << 8) | ((value & 0x03) << 22)
  fourth[character] = value << 16
}
