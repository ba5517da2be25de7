import type { IncomingHttpHeaders } from 'node:http'

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const unsafe = /[^\t\x20-\x7e\x80-\xff]/
/** What is read here of lists and of single values, said more than once (RFC 9110 §5.3): as one list, and the first. */
const lists: ReadonlySet<string> = new Set(['connection', 'content-encoding', 'keep-alive'])
const singles: ReadonlySet<string> = new Set(['content-type', 'etag'])
const spellingsMax = 4_096
const spellingCharsMax = 64
const lowerBySpelling = new Map<string, string>()

/**
 * Header or trailer lines, joined by CRLF, from `start` on. Names in lower case, values of a repeated name as a list, but for
 * the few that are read here.
 * Null = not well-formed (RFC 9112 §5): folded, a name that is no token, a control character.
 */
export function parseFields(text: string, start: number): IncomingHttpHeaders | null {
  const headers = Object.create(null) as Record<string, string | string[]>
  for (let at = start; at < text.length;) {
    const found = text.indexOf('\r\n', at)
    const end = found === -1 ? text.length : found
    const colon = text.indexOf(':', at)
    if (colon <= at || colon >= end) return null
    const name = lowerName(text.slice(at, colon))
    if (name === null) return null
    const value = trimmed(text, colon + 1, end)
    if (unsafe.test(value)) return null
    const before = headers[name]
    if (before === undefined) headers[name] = value
    else if (lists.has(name)) headers[name] = `${before as string}, ${value}`
    else if (singles.has(name)) headers[name] = before
    else if (typeof before === 'string') headers[name] = [before, value]
    else before.push(value)
    at = end + 2
  }
  return headers
}

/** RFC 9112 §5.1: a proxy takes away what stands between the name and the colon of an answer. */
function lowerName(spelling: string): string | null {
  const known = lowerBySpelling.get(spelling)
  if (known !== undefined) return known
  // A copy: a part of a text keeps the whole text in memory.
  const copy = Buffer.from(spelling, 'latin1').toString('latin1')
  const name = copy.trimEnd()
  if (!token.test(name)) return null
  const lower = name.toLowerCase()
  if (lowerBySpelling.size < spellingsMax && copy.length <= spellingCharsMax) lowerBySpelling.set(copy, lower)
  return lower
}

function trimmed(text: string, start: number, end: number): string {
  let from = start
  let to = end
  while (from < to && isBlank(text.charCodeAt(from))) from += 1
  while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1
  return text.slice(from, to)
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9
}
