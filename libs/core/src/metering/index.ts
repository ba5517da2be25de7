/**
 * What an answer costs: the four modes, and the language of `metering_expr`.
 *
 * Algorithm: a lexer, a parser by recursive descent, and one closure for each node; compiled once for each route, by the
 * control plane before it stores one, and by every worker. Names of the context are resolved while compiling, so that
 * the worker knows what a meter reads (bodies are kept only then) and an unknown name is refused when it is written.
 *
 * Bounds: 1,000 characters, 50 levels, no loops, no calls but six functions of numbers. Paths follow own members of plain
 * data: no prototype, getter or function is ever reached, whatever a body holds.
 *
 * Failure: an expression that has no result costs 1 unit, with a code that says why.
 */
export { compileExpression, type Expression } from './expression.ts'
export { compileMeter, expressionUnits, meteredUnits, type Meter, type Metered, type MeterProblem } from './meter.ts'
export type { MeteringContext, MeteringInput } from './metering-context.ts'
export { ExpressionError, MeteringError, type MeteringErrorCode } from './metering-error.ts'
