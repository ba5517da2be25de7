import { RE2JS, RE2JSException } from 're2js'
import { PatternError, patternCharsMax } from './pattern-error.ts'

/**
 * Instructions of one compiled regex. Matching costs at worst input × program steps; this keeps the longest request
 * line (8 KiB) against the biggest program in the low milliseconds.
 */
const programSizeMax = 1000

/**
 * A regular expression that is matched against whole strings, in time linear in the input whatever the pattern (RE2;
 * no backreferences, no lookaround).
 */
export interface WholeRegex {
  /** What every match begins with; `''` if that is not known. */
  readonly literalPrefix: string
  readonly groupCount: number
  /** Group number by name. */
  readonly groupNames: Readonly<Record<string, number>>
  test(text: string): boolean
  /** Groups by number, 0 = the whole; `''` for one that took no part. Null = no match. */
  groups(text: string): string[] | null
}

/** @throws PatternError with RE2's own reason. */
export function compileRegex(pattern: string): WholeRegex {
  if (pattern.length > patternCharsMax) throw new PatternError(`is longer than ${patternCharsMax} characters`)
  const regex = parse(pattern)
  if (regex.programSize() > programSizeMax) throw new PatternError('is too complex: repetitions multiply its size')
  const groupCount = regex.groupCount()
  return {
    literalPrefix: String(regex.re2().prefix ?? ''),
    groupCount,
    groupNames: regex.namedGroups(),
    test: (text) => regex.testExact(text),
    groups(text) {
      const matcher = regex.matcher(text)
      if (!matcher.matches()) return null
      return Array.from({ length: groupCount + 1 }, (_, group) => matcher.group(group) ?? '')
    },
  }
}

function parse(pattern: string): RE2JS {
  try {
    // A leading ^ says nothing where the whole text must match, but hides the literal prefix from RE2.
    return RE2JS.compile(pattern.replace(/^\^(?![*+?{|)])/, ''))
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw new PatternError(`is not a valid RE2 expression: ${error.message.replace('error parsing regexp: ', '')}`)
  }
}
