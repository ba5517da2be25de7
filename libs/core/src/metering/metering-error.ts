/** Why an expression has no result. The usage event keeps it as `metering_error`; docs/proxy.md lists them. */
export type MeteringErrorCode =
  | 'null_in_arithmetic'
  | 'not_a_number'
  | 'not_comparable'
  | 'not_finite'
  | 'result_is_no_number'
  | 'body_too_large'
  | 'body_incomplete'
  | 'body_not_decodable'
  | 'failed'

export class MeteringError extends Error {
  override readonly name = 'MeteringError'
  readonly code: MeteringErrorCode

  constructor(code: MeteringErrorCode) {
    super(code)
    this.code = code
  }
}

/** An expression that is not one of the language. `position` counts its characters from 1. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError'
  readonly position: number

  constructor(position: number, message: string) {
    super(message)
    this.position = position
  }
}
