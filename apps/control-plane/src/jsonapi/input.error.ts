import type { ErrorCode } from '@apigate/errors'

/**
 * Something wrong with one attribute. `field` is its wire name, with a path into it where that helps (`headers/0/value`),
 * whose parts are escaped as RFC 6901 §3 says.
 */
export interface InputProblem {
  code: ErrorCode
  field: string
  detail: string
}

/**
 * Thrown by services about what they were given: they know attributes, not bodies. The exception filter turns each field
 * into a pointer that resolves in the body that was sent.
 */
export class InputError extends Error {
  override readonly name = 'InputError'
  readonly problems: readonly [InputProblem, ...InputProblem[]]

  constructor(problems: readonly [InputProblem, ...InputProblem[]]) {
    super(problems.map(({ field, detail }) => `${field}: ${detail}`).join('; '))
    this.problems = problems
  }

  static of(code: ErrorCode, field: string, detail: string): InputError {
    return new InputError([{ code, field, detail }])
  }
}

/** Thrown by what takes many inputs at once about one of them; alone it is as its cause. */
export class EntryError extends Error {
  override readonly name = 'EntryError'

  constructor(
    readonly index: number,
    override readonly cause: unknown,
  ) {
    super(`entry ${index}: ${String(cause)}`)
  }
}
