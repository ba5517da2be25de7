import type { Protocol } from '../model.ts'
import { parseBodyChanges, type BodyChanges } from './body-changes.ts'
import { parseCondition, type Condition } from './condition.ts'
import { parseHeaderChanges, type HeaderChanges } from './header-changes.ts'
import { parseQueryChanges, type QueryChanges } from './query-changes.ts'
import { isObject, membersOf, ProblemList, type TransformProblem } from './transform-problem.ts'
import type { TransformScope, VariableSource } from './variables.ts'

/** What is changed together; null = nothing of the kind. */
export interface TransformPart {
  readonly headers: HeaderChanges | null
  readonly query: QueryChanges | null
  readonly body: BodyChanges | null
}

export interface Transform {
  /** Whether any part may change the body, which must be buffered then. */
  readonly hasBody: boolean
  /**
   * The parts that apply, in their order: the unconditional one, then those of `conditions` whose `when` holds. Asked
   * once for an exchange.
   *
   * @param status of the answer; 0 for a request.
   */
  select(source: VariableSource, status: number): readonly TransformPart[]
}

const changesMax = 100
const conditionsMax = 32
const kinds = ['headers', 'query', 'body']

/** `request_transform` or `response_transform`, ready to run; null when it does nothing. */
export function compileTransform(
  value: unknown,
  scope: TransformScope,
  protocol: Protocol,
): { transform: Transform | null; problems: readonly TransformProblem[] } {
  const problems = new ProblemList()
  if (value === null) return { transform: null, problems: [] }
  const members = membersOf(value, [...kinds, 'conditions'], problems)
  const base = parsePart(members, scope, protocol, problems)
  const conditional = parseConditions(members['conditions'], scope, protocol, problems.at('conditions'))
  const parts = [base, ...conditional.map(({ part }) => part)]
  if (parts.reduce((sum, part) => sum + changesOf(part), 0) > changesMax)
    problems.add(`has more than ${changesMax} changes`)
  const isEmpty = parts.every((part) => changesOf(part) === 0)
  const unconditional = changesOf(base) === 0 ? [] : [base]
  const transform: Transform = {
    hasBody: parts.some(({ body }) => body !== null),
    select(source, status) {
      if (conditional.length === 0) return unconditional
      const holding = conditional.filter(({ condition }) => condition.every((test) => test(source, status)))
      return [...unconditional, ...holding.map(({ part }) => part)]
    },
  }
  return { transform: isEmpty ? null : transform, problems: problems.problems }
}

function parsePart(
  members: Record<string, unknown>,
  scope: TransformScope,
  protocol: Protocol,
  problems: ProblemList,
): TransformPart {
  const { headers, query, body } = members
  if (body !== undefined && protocol !== 'http')
    problems.at('body').add(`needs protocol "http": a body of "${protocol}" is never buffered`)
  if (query !== undefined && scope.side === 'response') problems.at('query').add('an answer has no query')
  return {
    headers: parseHeaderChanges(headers, scope, problems.at('headers')),
    query: parseQueryChanges(query, scope, problems.at('query')),
    body: parseBodyChanges(body, scope, problems.at('body')),
  }
}

function parseConditions(
  value: unknown,
  scope: TransformScope,
  protocol: Protocol,
  problems: ProblemList,
): { condition: Condition; part: TransformPart }[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length > conditionsMax) {
    problems.add(`must be a list of at most ${conditionsMax} entries`)
    return []
  }
  return value.flatMap((entry: unknown, i) => {
    const place = problems.at(i)
    if (!isObject(entry)) {
      place.add('must be an object with "when"')
      return []
    }
    const members = membersOf(entry, ['when', ...kinds], place)
    const part = parsePart(members, scope, protocol, place)
    const condition = parseCondition(members['when'], scope, place.at('when'))
    return condition === null ? [] : [{ condition, part }]
  })
}

function changesOf({ headers, query, body }: TransformPart): number {
  let count = 0
  if (headers !== null) count += headers.rename.size + headers.remove.size + headers.set.length + headers.add.length
  if (query !== null) count += query.remove.size + query.set.length + query.add.length
  if (body !== null) {
    count += body.rename.length + body.remove.length + body.set.length + body.mask.length
    if (body.wrap !== null) count += 1
  }
  return count
}
