import type { HostMatch } from '../model.ts'
import { normalizeHost } from './host.ts'
import { PatternError, patternCharsMax } from './pattern-error.ts'
import { compileRegex, type WholeRegex } from './regex.ts'

export type HostPattern =
  | { readonly kind: 'exact'; readonly host: string }
  /** `*.example.com` has the suffix `example.com`. */
  | { readonly kind: 'wildcard'; readonly suffix: string }
  | { readonly kind: 'regex'; readonly pattern: string; readonly regex: WholeRegex }
  | { readonly kind: 'any' }

/** @throws PatternError */
export function parseHostPattern(pattern: string, match: HostMatch): HostPattern {
  if (match === 'any') {
    if (pattern !== '') throw new PatternError('must be empty for a route of any host')
    return { kind: 'any' }
  }
  if (pattern === '') throw new PatternError('is empty: give a host, or match any host')
  if (pattern.length > patternCharsMax) throw new PatternError(`is longer than ${patternCharsMax} characters`)
  if (match === 'regex') return { kind: 'regex', pattern, regex: compileRegex(pattern) }
  if (match === 'exact') return { kind: 'exact', host: hostName(pattern) }
  if (!pattern.startsWith('*.')) throw new PatternError('must be "*." and a host name')
  return { kind: 'wildcard', suffix: hostName(pattern.slice(2)) }
}

/** Stricter than what requests may carry: a host that is written down has a name or an address. */
function hostName(text: string): string {
  const host = normalizeHost(text)
  if (host === null || !/^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[.+\])$/.test(host))
    throw new PatternError('is not a host name (international names as xn--…)')
  return host
}
