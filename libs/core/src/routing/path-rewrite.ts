import { PatternError, patternCharsMax } from './pattern-error.ts'
import { normalizeLiteral, pathParams, restStart, type PathPattern } from './path-pattern.ts'
import { normalizeTarget } from './request-target.ts'

/**
 * `path_rewrite`, cut at its references: text, a group number, or the name of a parameter.
 */
export type RewritePart = { readonly text: string } | { readonly group: number } | { readonly param: string }

const reference = /\$(\$)|\$([1-9])|\$?\{([A-Za-z_][A-Za-z0-9_]*)\}/g

/** @throws PatternError also for a reference that the pattern does not have. */
export function parseRewrite(template: string, pattern: PathPattern): RewritePart[] {
  if (template.length > patternCharsMax) throw new PatternError(`is longer than ${patternCharsMax} characters`)
  const groups = pattern.kind === 'regex' ? pattern.regex.groupCount : pattern.kind === 'prefix' ? 1 : 0
  const parts: RewritePart[] = []
  let end = 0
  for (const found of template.matchAll(reference)) {
    pushText(parts, template.slice(end, found.index))
    end = found.index + found[0].length
    const [, dollar, group, param] = found
    if (dollar !== undefined) parts.push({ text: '$' })
    else if (group !== undefined) {
      if (Number(group) > groups)
        throw new PatternError(`uses $${group}, but the path pattern has ${groups} such parts`)
      parts.push({ group: Number(group) })
    } else if (param !== undefined) {
      if (!pattern.params.includes(param))
        throw new PatternError(`uses {${param}}, which the path pattern does not name`)
      parts.push({ param })
    }
  }
  pushText(parts, template.slice(end))
  const first = parts[0]
  if (first === undefined || ('text' in first && !first.text.startsWith('/'))) {
    throw new PatternError('must start with "/" or with a part of the matched path')
  }
  // A reference is never empty-handed for this check: any text in its place keeps "." and ".." apart from others.
  const outline = parts.map((part) => ('text' in part ? part.text : 'x')).join('')
  if (/(?:^|\/)\.\.?(?:\/|$)/.test(outline)) throw new PatternError('must not hold the segments "." or ".."')
  return parts
}

function pushText(parts: RewritePart[], text: string): void {
  if (text === '') return
  if (text.includes('$')) throw new PatternError('has a "$" that is not $1…$9, ${name} or $$')
  if (/[{}]/.test(text)) throw new PatternError('has a brace that is not {name}; a brace itself is %7B or %7D')
  if (/[?#]/.test(text)) throw new PatternError('must not hold "?" or "#": it gives a path only')
  const literal = normalizeLiteral(text)
  if (literal === null) throw new PatternError('holds a character or a percent-encoding that no path can hold')
  parts.push({ text: literal })
}

/**
 * The path to ask the upstream for. What is put in comes from a normalised path, so it holds neither `?` nor `#`.
 *
 * `/$1` after a by-segment prefix keeps the client's slash or its absence: with `/api/users/*` → `/users/$1`,
 * `/api/users` gives `/users`, `/api/users/` gives `/users/`.
 *
 * Null when the parts together are no normalised path, as the dot segment that `/file-*` → `/safe/$1` makes of
 * `/file-../x`: the upstream would read it as a path that nobody routed to it. Answer 400.
 */
export function applyRewrite(parts: readonly RewritePart[], pattern: PathPattern, path: string): string | null {
  const groups = pattern.kind === 'regex' ? pattern.regex.groups(path) : null
  const params = pathParams(pattern, path)
  let out = ''
  for (const part of parts) {
    if ('text' in part) out += part.text
    else if ('param' in part) out += params[part.param] ?? ''
    else if (pattern.kind === 'regex') out += groups?.[part.group] ?? ''
    else {
      const start = restStart(pattern, path)
      if (start > path.length && out.endsWith('/')) out = out.slice(0, -1)
      out += path.slice(start)
    }
  }
  if (!out.startsWith('/')) out = `/${out}`
  return normalizeTarget(out)?.path === out ? out : null
}
