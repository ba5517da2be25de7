import { ApiError } from '@apigate/errors'

const depthMax = 64
const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Parses a request body. Besides malformed JSON it refuses what no later code could keep: bytes that are not UTF-8, strings
 * with NUL (PostgreSQL) or half a surrogate pair (no UTF-8), `__proto__` as a name, and nesting beyond 64 levels.
 *
 * @returns undefined for an empty body.
 * @throws ApiError 400, with a pointer where there is a place.
 */
export function parseJson(body: Uint8Array): unknown {
  if (body.length === 0) return undefined
  let value: unknown
  try {
    value = JSON.parse(utf8.decode(body))
  } catch {
    throw ApiError.of('bad_request', 'the body is not JSON in UTF-8')
  }
  checkValue(value, '', 0)
  return value
}

function checkValue(value: unknown, pointer: string, depth: number): void {
  if (typeof value === 'string') checkText(value, pointer)
  if (typeof value !== 'object' || value === null) return
  if (depth === depthMax) throw ApiError.of('bad_request', `nested deeper than ${depthMax} levels`)
  for (const [name, member] of Object.entries(value)) {
    checkText(name, pointer)
    if (name === '__proto__') throw ApiError.of('bad_request', '"__proto__" is not a name', { pointer })
    checkValue(member, `${pointer}/${escapePointer(name)}`, depth + 1)
  }
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
