import type { HeaderCondition, HeaderMatch } from '../model.ts'
import { PatternError, patternCharsMax } from './pattern-error.ts'
import { compileRegex, type WholeRegex } from './regex.ts'

/** The value of a request header by lower-case name; undefined when it was not sent. */
export type HeaderLookup = (lowerCaseName: string) => string | undefined

export interface CompiledHeader {
  readonly name: string
  readonly match: HeaderMatch
  readonly value: string
  /** Set for `regex`. */
  readonly regex: WholeRegex | null
}

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
    return { name, match, value: '', regex: null }
  }
  if (value === undefined) throw new PatternError(`is required with "${match}"`)
  if (value.length > patternCharsMax) throw new PatternError(`is longer than ${patternCharsMax} characters`)
  return { name, match, value, regex: match === 'regex' ? compileRegex(value) : null }
}

/** Values are compared with regard to case; a regex must match the whole value. A missing header is only `absent`. */
export function headerMatches(condition: CompiledHeader, header: HeaderLookup): boolean {
  const value = header(condition.name)
  if (value === undefined) return condition.match === 'absent'
  switch (condition.match) {
    case 'exact':
      return value === condition.value
    case 'prefix':
      return value.startsWith(condition.value)
    case 'regex':
      return condition.regex!.test(value)
    case 'present':
      return true
    case 'absent':
      return false
  }
}
