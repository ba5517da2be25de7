/** What becomes of each byte of a path: 0 = refused, `pchar` (RFC 3986 §3.3) and `/` are kept, others are encoded. */
const KEPT = 1
const ENCODED = 2

const PERCENT = 0x25
const SLASH = 0x2f
const DOT = 0x2e
const QUESTION = 0x3f
const HASH = 0x23

const unreserved = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~'
const pathClass = new Uint8Array(256)
for (const char of `${unreserved}!$&'()*+,;=:@/`) pathClass[char.charCodeAt(0)] = KEPT
// Not URI characters, but clients send them raw. Encoded, they compare equal to the encoded spelling.
for (const char of '"<>[]^`{|}') pathClass[char.charCodeAt(0)] = ENCODED
pathClass.fill(ENCODED, 0x80)

const isUnreserved = new Uint8Array(256)
for (const char of unreserved) isUnreserved[char.charCodeAt(0)] = 1

export interface NormalizedTarget {
  /** Starts with `/`; visible ASCII only; without dot segments, `?` and `#`. */
  path: string
  /** As it came, with the leading `?`; `''` when there is none. */
  query: string
  /** Of a target in absolute form, where it stands in for `Host` (RFC 9112 §3.2.2); else null. */
  authority: string | null
}

/**
 * The normalised path (RFC 3986 §6.2.2) and the untouched query of a request target in origin or absolute form, as Node's
 * parser gives it (one character per byte). Null = answer 400.
 *
 * - Dot segments are removed, percent-encoded ones too; climbing above the root is refused, not clamped, because a
 *   client that does it is probing.
 * - Encoded unreserved characters are decoded, other encodings upper-cased: `%2F` and `%5C` stay, so that they never
 *   become separators here. Empty segments stay (RFC 3986 gives them meaning).
 * - Bytes above 0x7F and the visible characters that no URI may hold (`"<>[]^{|}` and the backquote) are percent-encoded
 *   in the path, which is how every upstream reads them, so that no second spelling slips past a route.
 * - A raw backslash is refused: many servers read it as a slash, so the path matched and the path served would differ.
 * - A fragment is dropped: it is the client's own (RFC 9110 §4.2.5) and never part of what is asked for.
 * - Refused as well: asterisk and authority form, controls, space, DEL, `%00`, a `%` without two hex digits in the path.
 *
 * A target with nothing to normalise costs one scan and two slices.
 */
export function normalizeTarget(target: string): NormalizedTarget | null {
  if (target.charCodeAt(0) === SLASH) return normalizeOriginForm(target, null)
  const absolute = /^https?:\/\/([^/?#]+)(.*)$/is.exec(target)
  if (absolute === null) return null
  const [, authority = '', rest = ''] = absolute
  return normalizeOriginForm(rest.startsWith('/') ? rest : `/${rest}`, authority)
}

function normalizeOriginForm(target: string, authority: string | null): NormalizedTarget | null {
  let plain = true
  let pathEnd = 0
  for (; pathEnd < target.length; pathEnd++) {
    const code = target.charCodeAt(pathEnd)
    if (code === QUESTION || code === HASH) break
    if (pathClass[code] !== KEPT) {
      if (pathClass[code] !== ENCODED && code !== PERCENT) return null
      plain = false
    } else if (code === SLASH && target.charCodeAt(pathEnd + 1) === DOT) {
      plain = false
    }
  }
  let queryEnd = pathEnd
  for (; queryEnd < target.length; queryEnd++) {
    const code = target.charCodeAt(queryEnd)
    if (code === HASH) break
    if (code <= 0x20 || code === 0x7f || code > 0xff) return null
  }
  const rawPath = target.slice(0, pathEnd)
  const query = target.slice(pathEnd, queryEnd)
  if (plain) return { path: rawPath, query, authority }
  const encoded = normalizeEncoding(rawPath)
  const path = encoded === null ? null : removeDotSegments(encoded)
  return path === null ? null : { path, query, authority }
}

/**
 * One spelling for each path of bytes (0–255 a character): unreserved characters plain, all else that is not a `pchar`
 * as upper-case percent-encoding. Null for what `normalizeTarget` refuses.
 */
export function normalizeEncoding(path: string): string | null {
  let out = ''
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i)
    if (code === PERCENT) {
      const high = hexValue(path.charCodeAt(i + 1))
      const low = hexValue(path.charCodeAt(i + 2))
      const byte = high * 16 + low
      // NaN past the end and for what is no hex digit.
      if (!(byte > 0)) return null
      out += isUnreserved[byte] === 1 ? String.fromCharCode(byte) : percentEncoded(byte)
      i += 2
    } else if (pathClass[code] === KEPT) {
      out += path[i]
    } else if (pathClass[code] === ENCODED) {
      out += percentEncoded(code)
    } else {
      return null
    }
  }
  return out
}

/** RFC 3986 §5.2.4, except that climbing above the root gives null. */
function removeDotSegments(path: string): string | null {
  if (!path.includes('/.')) return path
  const kept: string[] = []
  const segments = path.split('/')
  const last = segments.length - 1
  for (let i = 1; i <= last; i++) {
    const segment = segments[i]!
    if (segment === '..') {
      if (kept.pop() === undefined) return null
    } else if (segment !== '.') {
      kept.push(segment)
      continue
    }
    if (i === last) kept.push('')
  }
  return `/${kept.join('/')}`
}

function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : NaN
}

function percentEncoded(byte: number): string {
  return `%${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`
}
