import type { PathMatch } from '../model.ts'
import { PatternError, patternCharsMax } from './pattern-error.ts'
import { compileRegex, type WholeRegex } from './regex.ts'
import { normalizeEncoding } from './request-target.ts'

/** Stands for one non-empty segment of any text; its name is in the pattern's `params`. */
export const anySegment = Symbol('{name}')
export type PatternSegment = string | typeof anySegment

/** An `exact` or `prefix` pattern, cut at its slashes. */
export interface SegmentPattern {
  readonly kind: 'exact' | 'prefix'
  readonly segments: readonly PatternSegment[]
  /** `/file-*`: what the segment after `segments` begins with. Null where the pattern ends at a slash. */
  readonly partial: string | null
  /** Names of the `anySegment`s, in order. */
  readonly params: readonly string[]
  /** Characters the pattern fixes: what "longer pattern" compares. */
  readonly literalChars: number
}

export interface RegexPattern {
  readonly kind: 'regex'
  readonly regex: WholeRegex
  readonly params: readonly string[]
  readonly literalChars: number
}

export type PathPattern = SegmentPattern | RegexPattern

/** @throws PatternError */
export function parsePathPattern(pattern: string, match: PathMatch): PathPattern {
  if (pattern.length > patternCharsMax) throw new PatternError(`is longer than ${patternCharsMax} characters`)
  if (match === 'regex') {
    const regex = compileRegex(withNamedSegments(pattern))
    return { kind: 'regex', regex, params: Object.keys(regex.groupNames), literalChars: pattern.length }
  }
  if (!pattern.startsWith('/')) throw new PatternError('must start with "/"')
  if (/[?#]/.test(pattern)) throw new PatternError('must not hold "?" or "#": only the path is matched')
  return match === 'exact' ? parseSegments('exact', pattern, null) : parsePrefix(pattern)
}

function parsePrefix(pattern: string): SegmentPattern {
  const star = pattern.endsWith('*')
  const fixed = star ? pattern.slice(0, -1) : pattern
  if (fixed.includes('*')) throw new PatternError('may hold "*" only at its end; {name} stands for one segment')
  if (fixed.endsWith('/')) return parseSegments('prefix', fixed.slice(0, -1), null)
  if (!star) return parseSegments('prefix', fixed, null)
  const slash = fixed.lastIndexOf('/')
  return parseSegments('prefix', fixed.slice(0, slash), fixed.slice(slash + 1))
}

function parseSegments(kind: 'exact' | 'prefix', path: string, partial: string | null): SegmentPattern {
  const params: string[] = []
  const segments =
    path === ''
      ? []
      : path
          .slice(1)
          .split('/')
          .map((segment) => parseSegment(segment, params))
  const literalPartial = partial === null ? null : literalSegment(partial)
  let literalChars = segments.length + (literalPartial === null ? 0 : 1 + literalPartial.length)
  for (const segment of segments) if (segment !== anySegment) literalChars += segment.length
  return { kind, segments, partial: literalPartial, params, literalChars }
}

function parseSegment(segment: string, params: string[]): PatternSegment {
  const name = /^\{([A-Za-z_][A-Za-z0-9_]*)\}$/.exec(segment)?.[1]
  if (name === undefined) {
    const literal = literalSegment(segment)
    if (literal === '.' || literal === '..')
      throw new PatternError(`can never match: "${literal}" is removed from paths`)
    return literal
  }
  if (params.includes(name)) throw new PatternError(`names {${name}} twice`)
  params.push(name)
  return anySegment
}

/** The spelling a normalised path has for this text. */
function literalSegment(text: string): string {
  if (/[{}]/.test(text)) throw new PatternError('may hold {name} only as a whole segment; a brace itself is %7B or %7D')
  const literal = normalizeLiteral(text)
  if (literal === null) throw new PatternError('holds a character or a percent-encoding that no path can hold')
  return literal
}

/** `normalizeEncoding` for text of an admin: characters beyond ASCII stand for their UTF-8 bytes. */
export function normalizeLiteral(text: string): string | null {
  if (!text.isWellFormed()) return null
  return normalizeEncoding(text.replace(/[^\0-\x7f]+/gu, encodeURIComponent))
}

/**
 * The expression with each `{name}` made a named group of one segment. Braces that RE2 itself reads (`{2,3}`, `\p{Lu}`,
 * `\x{2F}`), escaped ones, those in classes and in `\Q…\E` stay.
 */
function withNamedSegments(pattern: string): string {
  const token =
    /\\Q[^]*?(?:\\E|$)|\\[pPx]\{[^}]*\}?|\\[^]|\[\^?\]?(?:\[:\^?[a-z]+:\]|\\[^]|[^\]\\])*\]?|\{([A-Za-z_][A-Za-z0-9_]*)\}/g
  return pattern.replace(token, (text: string, name: string | undefined) =>
    name === undefined ? text : `(?P<${name}>[^/]+)`,
  )
}

/**
 * Where the `*` part of a path that matches the prefix begins: after the pattern's last slash or its partial segment.
 * One beyond the path's end when the path ends with the pattern's last segment, without a slash.
 */
export function restStart(pattern: SegmentPattern, path: string): number {
  let from = 1
  for (let i = 0; i < pattern.segments.length; i++) {
    const slash = path.indexOf('/', from)
    from = (slash === -1 ? path.length : slash) + 1
  }
  return pattern.partial === null ? from : from + pattern.partial.length
}

/** Text of each `{name}`, percent-encoded as in the path, for a path that the pattern matches. */
export function pathParams(pattern: PathPattern, path: string): Record<string, string> {
  const values: Record<string, string> = Object.create(null)
  if (pattern.params.length === 0) return values
  if (pattern.kind === 'regex') {
    const groups = pattern.regex.groups(path)
    for (const name of pattern.params) values[name] = groups?.[pattern.regex.groupNames[name]!] ?? ''
    return values
  }
  let from = 1
  let param = 0
  for (const segment of pattern.segments) {
    const slash = path.indexOf('/', from)
    const end = slash === -1 ? path.length : slash
    if (segment === anySegment) values[pattern.params[param++]!] = path.slice(from, end)
    from = end + 1
  }
  return values
}
