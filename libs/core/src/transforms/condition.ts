import { isObject, type ProblemList } from './transform-problem.ts'
import { parseVariable, type TransformScope, type Variable, type VariableSource } from './variables.ts'

/** All of its tests must hold. */
export type Condition = readonly Test[]

type Test = (source: VariableSource, status: number) => boolean

const valuesMax = 100

/** Null when there is a problem. */
export function parseCondition(value: unknown, scope: TransformScope, problems: ProblemList): Condition | null {
  const names = isObject(value) ? Object.entries(value) : []
  if (names.length === 0) {
    problems.add('must be an object that says what must hold, e.g. {"method": "POST"}')
    return null
  }
  const tests = names.map(([name, expected]) => parseTest(name, expected, scope, problems.at(name)))
  return tests.every((test) => test !== null) ? tests : null
}

function parseTest(name: string, expected: unknown, scope: TransformScope, problems: ProblemList): Test | null {
  if (name === 'status' && scope.side === 'response') return parseStatus(expected, problems)
  const variable = parseVariable(name, scope)
  if (typeof variable === 'string') {
    problems.add(name === 'status' ? 'is not known before there is an answer' : variable)
    return null
  }
  return parseText(variable, expected, problems)
}

function parseText(variable: Variable, expected: unknown, problems: ProblemList): Test | null {
  if (typeof expected === 'boolean') return (source) => ((variable(source) ?? '') !== '') === expected
  const values = listOf(expected)
  if (values === null || !values.every((value) => typeof value === 'string')) {
    problems.add('must be text, a list of texts, true (it is there) or false (it is not)')
    return null
  }
  const texts = new Set(values)
  return (source) => texts.has(variable(source) ?? '')
}

function parseStatus(expected: unknown, problems: ProblemList): Test | null {
  const values = listOf(expected)?.map(String)
  if (values?.every((value) => /^[1-5](?:\d\d|xx)$/.test(value)) !== true) {
    problems.add('must be a status, a class such as "4xx", or a list of these')
    return null
  }
  const statuses = new Set(values)
  return (_source, status) => statuses.has(String(status)) || statuses.has(`${Math.floor(status / 100)}xx`)
}

function listOf(value: unknown): unknown[] | null {
  const list: unknown[] = Array.isArray(value) ? value : [value]
  return list.length > 0 && list.length <= valuesMax ? list : null
}
