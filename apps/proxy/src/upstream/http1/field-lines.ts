import { AnswerFields } from './answer.fields.ts'

const OTHER = 0
const TOKEN = 1
/** In a value, but in no name. */
const VISIBLE = 2
const BLANK = 3
const CR = 13
const LF = 10
const COLON = 58

const classes = new Uint8Array(256)
classes.fill(VISIBLE, 0x20, 0x7f).fill(VISIBLE, 0x80)
for (const char of "!#$%&'*+.^_`|~-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  classes[char.charCodeAt(0)] = TOKEN
}
classes[32] = BLANK
classes[9] = BLANK

const spellingsMax = 4_096
const spellingCharsMax = 64
const lowerBySpelling = new Map<string, string>()

/** Lines as bytes, and as text of one character (0–255) a byte: to look at bytes costs a third, to cut text less. */
export interface Lines {
  readonly bytes: Uint8Array
  /** Where in `bytes` the text begins. */
  readonly start: number
  readonly text: string
}

/**
 * Header or trailer lines, joined by CRLF, from the character `at` on.
 * Null = not well-formed (RFC 9112 §5): folded, a name that is no token, a control character.
 */
export function parseFields({ bytes, start, text }: Lines, at: number): AnswerFields | null {
  const fields = new AnswerFields()
  const end = start + text.length
  for (let i = start + at; i < end; i += 2) {
    const nameStart = i
    while (classes[bytes[i]!] === TOKEN) i += 1
    const nameEnd = i
    // RFC 9112 §5.1: a proxy takes away what stands between the name and the colon of an answer.
    while (classes[bytes[i]!] === BLANK) i += 1
    if (nameEnd === nameStart || bytes[i] !== COLON) return null
    i += 1
    while (i < end && classes[bytes[i]!] === BLANK) i += 1
    const valueStart = i
    let valueEnd = i
    for (; i < end; i++) {
      const kind = classes[bytes[i]!]
      if (kind === OTHER) break
      if (kind !== BLANK) valueEnd = i + 1
    }
    if (i < end && (bytes[i] !== CR || bytes[i + 1] !== LF)) return null
    fields.add(
      lowerName(text.slice(nameStart - start, nameEnd - start)),
      text.slice(valueStart - start, valueEnd - start),
    )
  }
  return fields
}

function lowerName(spelling: string): string {
  const known = lowerBySpelling.get(spelling)
  if (known !== undefined) return known
  // A copy: a part of a text keeps the whole text in memory.
  const copy = Buffer.from(spelling, 'latin1').toString('latin1')
  const lower = copy.toLowerCase()
  if (lowerBySpelling.size < spellingsMax && copy.length <= spellingCharsMax) lowerBySpelling.set(copy, lower)
  return lower
}
