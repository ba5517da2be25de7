import { parseTemplate, render, type Template } from './template.ts'
import { entriesOf, membersOf, textsOf, type ProblemList } from './transform-problem.ts'
import type { TransformScope, VariableSource } from './variables.ts'

export interface QueryChanges {
  readonly remove: ReadonlySet<string>
  readonly set: readonly NewParameter[]
  readonly add: readonly NewParameter[]
}

interface NewParameter {
  readonly name: string
  readonly value: Template
}

/** Null when there is nothing to do. */
export function parseQueryChanges(value: unknown, scope: TransformScope, problems: ProblemList): QueryChanges | null {
  const { set, add, remove } = membersOf(value, ['set', 'add', 'remove'], problems)
  const changes = {
    remove: new Set(textsOf(remove, problems.at('remove'))),
    set: parseNew(set, scope, problems.at('set')),
    add: parseNew(add, scope, problems.at('add')),
  }
  return changes.remove.size + changes.set.length + changes.add.length === 0 ? null : changes
}

function parseNew(value: unknown, scope: TransformScope, problems: ProblemList): NewParameter[] {
  const parameters: NewParameter[] = []
  for (const [name, text] of entriesOf(value, problems)) {
    const place = problems.at(name)
    if (name === '') place.add('a parameter has a name')
    else if (typeof text !== 'string') place.add('must be text')
    else {
      const template = parseTemplate(text, scope, place)
      if (template !== null) parameters.push({ name, value: template })
    }
  }
  return parameters
}

/**
 * The query as it is to be: removed, then set (in place of all of the name), then added, at its end. Parameters that
 * nobody named stay byte for byte.
 *
 * @param query with its leading `?`, or empty.
 */
export function changeQuery({ remove, set, add }: QueryChanges, query: string, source: VariableSource): string {
  const pairs = query.length < 2 ? [] : query.slice(1).split('&')
  const kept = pairs.filter((pair) => {
    const name = parameterName(pair)
    return !remove.has(name) && !set.some((parameter) => parameter.name === name)
  })
  for (const parameters of [set, add]) {
    for (const { name, value } of parameters) kept.push(`${encoded(name)}=${encoded(render(value, source))}`)
  }
  return kept.length === 0 ? '' : `?${kept.join('&')}`
}

function parameterName(pair: string): string {
  const equals = pair.indexOf('=')
  return decodeFormText(equals === -1 ? pair : pair.slice(0, equals))
}

/** Text of a query, decoded as servers do; what is not well-formed stays as it is. */
export function decodeFormText(text: string): string {
  const spaced = text.replaceAll('+', ' ')
  if (!spaced.includes('%')) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}

function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed())
}
