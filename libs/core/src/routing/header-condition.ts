import type { HeaderCondition } from '../model.ts'
import { PatternError, patternCharsMax } from './pattern-error.ts'
import { compileRegex, type WholeRegex } from './regex.ts'

/** The value of a request header by lower-case name; undefined when it was not sent. */
export type HeaderLookup = (lowerCaseName: string) => string | undefined

export type CompiledHeader =
  | { readonly name: string; readonly match: 'present' | 'absent' }
  | { readonly name: string; readonly match: 'exact' | 'prefix'; readonly value: string }
  | { readonly name: string; readonly match: 'regex'; readonly value: string; readonly regex: WholeRegex }

const token = /^[a-z0-9!#$%&'*+.^_`|~-]+$/

/** @throws PatternError for a name that no request header can have. */
export function parseHeaderName(name: string): string {
  if (name.length > 256 || !token.test(name)) throw new PatternError('is not a lower-case header name')
  return name
}

/** @throws PatternError */
export function parseHeaderValue(condition: HeaderCondition): CompiledHeader {
  const { name, match, value } = condition
  if (match === 'present' || match === 'absent') {
    if (value !== undefined) throw new PatternError(`has no use with "${match}"`)
    return { name, match }
  }
  if (value === undefined) throw new PatternError(`is required with "${match}"`)
  if (value.length > patternCharsMax) throw new PatternError(`is longer than ${patternCharsMax} characters`)
  return match === 'regex' ? { name, match, value, regex: compileRegex(value) } : { name, match, value }
}

/** Values are compared with regard to case; a regex must match the whole value. A missing header is only `absent`. */
export function headerMatches(condition: CompiledHeader, header: HeaderLookup): boolean {
  const value = header(condition.name)
  if (value === undefined) return condition.match === 'absent'
  if (condition.match === 'exact') return value === condition.value
  if (condition.match === 'prefix') return value.startsWith(condition.value)
  if (condition.match === 'regex') return condition.regex.test(value)
  return condition.match === 'present'
}
