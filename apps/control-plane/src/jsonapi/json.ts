import { ApiError } from '@apigate/errors'

const depthMax = 64
const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Parses a request body. Besides malformed JSON it refuses what no later code could keep: bytes that are not UTF-8, strings
 * with NUL (PostgreSQL) or half a surrogate pair (no UTF-8), `__proto__` as a name, a name that one object has twice (of which
 * RFC 8259 §4 does not say which counts), and nesting beyond 64 levels.
 *
 * @returns undefined for an empty body.
 * @throws ApiError 400, with a pointer where there is a place.
 */
export function parseJson(body: Uint8Array): unknown {
  if (body.length === 0) return undefined
  let text = ''
  let value: unknown
  try {
    text = utf8.decode(body)
    value = JSON.parse(text)
  } catch {
    throw ApiError.of('bad_request', 'the body is not JSON in UTF-8')
  }
  // Of a name that comes twice the parser keeps one.
  if (checkValue(value) < countNames(text)) {
    throw ApiError.of('bad_request', 'a name is given twice in one object')
  }
  return value
}

/** How many names all objects in a JSON text have together: a name is a string before a colon. */
function countNames(text: string): number {
  let names = 0
  for (let open = text.indexOf('"'); open !== -1;) {
    let close = text.indexOf('"', open + 1)
    while (isEscaped(text, close)) close = text.indexOf('"', close + 1)
    let after = close + 1
    while (/[ \t\n\r]/.test(text.charAt(after))) after += 1
    if (text[after] === ':') names += 1
    open = text.indexOf('"', after)
  }
  return names
}

function isEscaped(text: string, at: number): boolean {
  let backslash = at - 1
  while (text[backslash] === '\\') backslash -= 1
  return (at - backslash) % 2 === 0
}

/**
 * Refuses what no later code could keep.
 *
 * @returns how many names the objects in the value have together.
 */
export function checkValue(value: unknown, pointer = '', depth = 0): number {
  if (typeof value === 'string') checkText(value, pointer)
  if (typeof value !== 'object' || value === null) return 0
  if (depth === depthMax) throw ApiError.of('bad_request', `nested deeper than ${depthMax} levels`)
  const members = Object.entries(value)
  let names = Array.isArray(value) ? 0 : members.length
  for (const [name, member] of members) {
    checkText(name, pointer)
    if (name === '__proto__') throw ApiError.of('bad_request', '"__proto__" is not a name', { pointer })
    names += checkValue(member, `${pointer}/${escapePointer(name)}`, depth + 1)
  }
  return names
}

function checkText(text: string, pointer: string): void {
  if (text.includes('\0')) throw ApiError.of('bad_request', 'text must not contain NUL (U+0000)', { pointer })
  if (!text.isWellFormed()) throw ApiError.of('bad_request', 'text has half a surrogate pair', { pointer })
}

/** RFC 6901 §3. */
export function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

export function unescapePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~')
}

/** Whether the value is a JSON object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
