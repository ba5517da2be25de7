/** A JSON text that is to be written again. */
export interface ParsedJson {
  readonly value: unknown
  /** The text of a value that was made of this one. */
  write(value: unknown): string
}

/** What a double might not give back as it was written: many digits, a fraction, an exponent, -0. */
const delicateNumber = /-0|\d(?:\d{14}|[.eE])/
const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
/** Half a surrogate pair: text that was decoded cannot hold one, but for an escape, which is looked for. */
const mark = '\udfff'
const escapedMark = /\\udfff/i
/** As `JSON.stringify` writes it. */
const markedNumber = /"\\udfff([^"]+)"/g

const QUOTE = 0x22
const MINUS = 0x2d
const COLON = 0x3a
const BACKSLASH = 0x5c

/**
 * Null for what is no JSON, and for what is nested too deeply. Numbers that a double would spell in another way (`1.0`,
 * `12345678901234567890`) keep their text: they are parsed as marked texts, and unmarked when they are written. A text
 * that holds the mark itself is read as any parser would.
 */
export function parseJsonText(text: string): ParsedJson | null {
  const marked = delicateNumber.test(text) && !escapedMark.test(text) ? withMarks(text) : text
  if (marked === null) return null
  try {
    const value: unknown = JSON.parse(marked)
    if (marked === text) return { value, write: (changed) => JSON.stringify(changed) }
    return { value, write: (changed) => JSON.stringify(changed).replace(markedNumber, '$1') }
  } catch {
    return null
  }
}

/** Null where a number stands in the place of a name: marks would make JSON of it. */
function withMarks(text: string): string | null {
  const parts: string[] = []
  let kept = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = textEnd(text, at)
    } else if (isDigit(code) || code === MINUS) {
      const start = at
      while (isInNumber(text.charCodeAt(at + 1))) at++
      const number = text.slice(start, at + 1)
      if (!needsMark(number) || !jsonNumber.test(number)) continue
      if (text.charCodeAt(spaceEnd(text, at + 1)) === COLON) return null
      parts.push(text.slice(kept, start), '"', mark, number, '"')
      kept = at + 1
    }
  }
  if (kept === 0) return text
  parts.push(text.slice(kept))
  return parts.join('')
}

/** Rather once too often than converted to be sure. */
function needsMark(number: string): boolean {
  return (
    number.length > 15 ||
    /[eE]/.test(number) ||
    number.startsWith('-0') ||
    (number.includes('.') && (number.endsWith('0') || number.startsWith('0.00000')))
  )
}

/** Index of the closing quote of the text that begins here. */
function textEnd(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let before = at - 1
    while (text.charCodeAt(before) === BACKSLASH) before--
    if ((at - before) % 2 === 1) return at
  }
  return text.length
}

function spaceEnd(text: string, start: number): number {
  let at = start
  while (text.charCodeAt(at) <= 0x20) at++
  return at
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

function isInNumber(code: number): boolean {
  // . - + e E
  return isDigit(code) || code === 0x2e || code === MINUS || code === 0x2b || code === 0x65 || code === 0x45
}

export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
