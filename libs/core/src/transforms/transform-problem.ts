/** One reason why a transform cannot be compiled. `field` is the place inside it, as a JSON pointer without its first slash. */
export interface TransformProblem {
  field: string
  message: string
}

/** Takes what is wrong with one place; parts of the place are escaped as RFC 6901 §3 says. */
export class ProblemList {
  readonly problems: TransformProblem[] = []
  readonly #place: readonly string[]

  constructor(place: readonly string[] = [], problems: TransformProblem[] = []) {
    this.#place = place
    this.problems = problems
  }

  at(...place: readonly (string | number)[]): ProblemList {
    return new ProblemList([...this.#place, ...place.map(String)], this.problems)
  }

  add(message: string): void {
    this.problems.push({ field: this.#place.map(escaped).join('/'), message })
  }
}

function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The members of an object that has no others than these; a missing object has none. */
export function membersOf(value: unknown, known: readonly string[], problems: ProblemList): Record<string, unknown> {
  if (value === undefined) return {}
  if (!isObject(value)) {
    problems.add('must be an object')
    return {}
  }
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) problems.at(name).add(`is not known; known are ${known.join(', ')}`)
  }
  return value
}

/** Names and values of an object; a missing one has none. */
export function entriesOf(value: unknown, problems: ProblemList): [string, unknown][] {
  if (value === undefined) return []
  if (isObject(value)) return Object.entries(value)
  problems.add('must be an object')
  return []
}

/** A list of texts; a missing one is empty. */
export function textsOf(value: unknown, problems: ProblemList): string[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) {
    problems.add('must be a list')
    return []
  }
  return value.flatMap((entry: unknown, i) => {
    if (typeof entry === 'string') return [entry]
    problems.at(i).add('must be text')
    return []
  })
}
