import type { MeteringMode, Protocol } from '../model.ts'
import { compileExpression, roundedUp, type Expression } from './expression.ts'
import type { MeteringContext, MeteringInput } from './metering-context.ts'
import { ExpressionError, MeteringError, type MeteringErrorCode } from './metering-error.ts'

export interface MeterConfig {
  meteringMode: MeteringMode
  meteringExpr: string | null
  protocol: Protocol
}

/** One reason why a meter cannot be compiled. `field` is the API attribute. */
export interface MeterProblem {
  field: 'metering_mode' | 'metering_expr'
  message: string
}

/** What an answer costs, by a route's mode or expression. */
export interface Meter {
  /** What must be kept of an exchange for it; all false for a meter without an expression. */
  readonly reads: {
    readonly requestBody: boolean
    readonly responseBody: boolean
    readonly sse: boolean
    readonly messages: boolean
  }
  /** Null: the mode alone says it. */
  readonly expression: Expression | null
  readonly mode: MeteringMode
}

/** Units of an answer of the upstream; `error` when the expression had no result. */
export interface Metered {
  readonly units: number
  readonly error: MeteringErrorCode | null
}

const readsNothing = { requestBody: false, responseBody: false, sse: false, messages: false }
/** A WebSocket has messages and no bodies; everything else has it the other way round. */
const onlyWithWebSocket: readonly MeteringInput[] = ['messagesIn', 'messagesOut']
const neverWithWebSocket: readonly MeteringInput[] = ['requestBody', 'responseBody', 'sseEvents', 'sseLast', 'sseUsage']

/** The meter of a route, or why there is none. */
export function compileMeter({ meteringMode: mode, meteringExpr, protocol }: MeterConfig): Meter | MeterProblem {
  if (meteringExpr === null) {
    if (mode === 'request' || mode === 'bytes') return { mode, expression: null, reads: readsNothing }
    return { field: 'metering_expr', message: `is required with metering_mode "${mode}"` }
  }
  if (mode === 'request')
    return { field: 'metering_expr', message: 'is not used with metering_mode "request": choose "custom"' }
  let expression: Expression
  try {
    expression = compileExpression(meteringExpr)
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    return { field: 'metering_expr', message: `is wrong at character ${error.position}: ${error.message}` }
  }
  const { inputs } = expression
  const isWebSocket = protocol === 'websocket'
  const foreign = (isWebSocket ? neverWithWebSocket : onlyWithWebSocket).find((input) => inputs.has(input))
  if (foreign !== undefined) {
    const names = isWebSocket ? 'bodies and sse' : 'messagesIn and messagesOut'
    return { field: 'metering_expr', message: `reads what protocol "${protocol}" does not have: ${names}` }
  }
  return {
    mode,
    expression,
    reads: {
      requestBody: inputs.has('requestBody'),
      responseBody: inputs.has('responseBody'),
      sse: inputs.has('sseEvents') || inputs.has('sseLast') || inputs.has('sseUsage'),
      messages: inputs.has('messagesIn') || inputs.has('messagesOut'),
    },
  }
}

/**
 * What an answer of the upstream costs by its mode alone: 1 unit for `request`, the bytes of both bodies for `bytes`. What
 * the gateway refused itself costs 0, and is not asked here.
 */
export function meteredUnits(mode: MeteringMode, facts: { requestBytes: number; responseBytes: number }): number {
  return mode === 'bytes' ? facts.requestBytes + facts.responseBytes : 1
}

/** The same by an expression: its result, rounded up to a whole number ≥ 0. One that fails costs 1 unit and says why. */
export function expressionUnits(expression: Expression, context: MeteringContext): Metered {
  try {
    return { units: Math.max(0, roundedUp(expression.evaluate(context))), error: null }
  } catch (error) {
    return { units: 1, error: error instanceof MeteringError ? error.code : 'failed' }
  }
}
