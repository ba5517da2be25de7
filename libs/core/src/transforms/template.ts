import type { ProblemList } from './transform-problem.ts'
import { parseVariable, type TransformScope, type Variable, type VariableSource } from './variables.ts'

/** A text with `${…}` in it, cut at its variables. */
export type Template = readonly (string | Variable)[]

const templateCharsMax = 4_096
const variablesMax = 16
const marks = /\$\$\{|\$\{([^}]*)\}/g

/** `$${` stands for `${` itself. Null when there is a problem. */
export function parseTemplate(text: string, scope: TransformScope, problems: ProblemList): Template | null {
  if (text.length > templateCharsMax) {
    problems.add(`is longer than ${templateCharsMax} characters`)
    return null
  }
  const parts: (string | Variable)[] = []
  let end = 0
  let variables = 0
  for (const found of text.matchAll(marks)) {
    push(parts, text.slice(end, found.index))
    end = found.index + found[0].length
    const [, name] = found
    if (name === undefined) {
      push(parts, '${')
      continue
    }
    const variable = parseVariable(name, scope)
    if (typeof variable === 'string') {
      problems.add(variable)
      return null
    }
    variables += 1
    parts.push(variable)
  }
  const rest = text.slice(end)
  push(parts, rest)
  if (rest.includes('${')) problems.add('has a "${" without "}"; "$${" stands for the text itself')
  else if (variables > variablesMax) problems.add(`has more than ${variablesMax} variables`)
  else return parts
  return null
}

function push(parts: (string | Variable)[], text: string): void {
  const last = parts.at(-1)
  if (text === '') return
  if (typeof last === 'string') parts[parts.length - 1] = last + text
  else parts.push(text)
}

/** A variable without a value is empty. */
export function render(template: Template, source: VariableSource): string {
  let text = ''
  for (const part of template) text += typeof part === 'string' ? part : (part(source) ?? '')
  return text
}
