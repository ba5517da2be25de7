import { parseExpression, type BinaryOperator, type FunctionName, type Node } from './expression-parser.ts'
import { valueAt, type MeteringContext, type MeteringInput } from './metering-context.ts'
import { MeteringError } from './metering-error.ts'

/** A part of an expression, made to run: text, number, boolean, null, or an object or list of the context. */
type Closure = (context: MeteringContext) => unknown

export interface Expression {
  /** What it may read. */
  readonly inputs: ReadonlySet<MeteringInput>
  /**
   * Always a finite number. No loops and no calls: the work is bounded by the length of the expression.
   *
   * @throws MeteringError
   */
  evaluate(context: MeteringContext): number
}

/** @throws ExpressionError with the position and what is wrong there. */
export function compileExpression(source: string): Expression {
  const inputs = new Set<MeteringInput>()
  const closure = compile(parseExpression(source), inputs)
  return {
    inputs,
    evaluate(context) {
      const result = closure(context)
      if (typeof result !== 'number') throw new MeteringError('result_is_no_number')
      return finite(result)
    },
  }
}

function compile(node: Node, inputs: Set<MeteringInput>): Closure {
  switch (node.kind) {
    case 'value': {
      const { value } = node
      return () => value
    }
    case 'path': {
      const { input, steps } = node.path
      inputs.add(input)
      return steps.length === 0 ? (context) => context[input] : (context) => valueAt(context[input], steps)
    }
    case 'group':
      return compile(node.of, inputs)
    case 'minus': {
      const of = compile(node.of, inputs)
      return (context) => -number(of(context))
    }
    case 'not': {
      const of = compile(node.of, inputs)
      return (context) => !isTrue(of(context))
    }
    case 'choice': {
      const when = compile(node.when, inputs)
      const chosen = compile(node.chosen, inputs)
      const otherwise = compile(node.otherwise, inputs)
      return (context) => (isTrue(when(context)) ? chosen(context) : otherwise(context))
    }
    case 'binary':
      return binary(node.operator, compile(node.left, inputs), compile(node.right, inputs))
    case 'call':
      return call(
        node.name,
        node.args.map((arg) => compile(arg, inputs)),
      )
  }
}

function binary(operator: BinaryOperator, left: Closure, right: Closure): Closure {
  switch (operator) {
    case '??':
      return (context) => left(context) ?? right(context)
    case '||':
      return (context) => {
        const value = left(context)
        return isTrue(value) ? value : right(context)
      }
    case '&&':
      return (context) => {
        const value = left(context)
        return isTrue(value) ? right(context) : value
      }
    case '==':
      return (context) => left(context) === right(context)
    case '!=':
      return (context) => left(context) !== right(context)
    case '<':
      return (context) => order(left(context), right(context)) < 0
    case '<=':
      return (context) => order(left(context), right(context)) <= 0
    case '>':
      return (context) => order(left(context), right(context)) > 0
    case '>=':
      return (context) => order(left(context), right(context)) >= 0
    case '+':
      return (context) => finite(number(left(context)) + number(right(context)))
    case '-':
      return (context) => finite(number(left(context)) - number(right(context)))
    case '*':
      return (context) => finite(number(left(context)) * number(right(context)))
    case '/':
      return (context) => finite(number(left(context)) / number(right(context)))
    case '%':
      return (context) => finite(number(left(context)) % number(right(context)))
  }
}

function call(name: FunctionName, args: readonly Closure[]): Closure {
  const [first] = args
  const one = (apply: (value: number) => number): Closure => {
    return (context) => apply(number(first!(context)))
  }
  switch (name) {
    case 'min':
    case 'max': {
      const pick = name === 'min' ? Math.min : Math.max
      return (context) => {
        let picked = number(first!(context))
        for (let i = 1; i < args.length; i++) picked = pick(picked, number(args[i]!(context)))
        return picked
      }
    }
    case 'ceil':
      return one(roundedUp)
    case 'floor':
      return one((value) => -roundedUp(-value))
    case 'round':
      return one(Math.round)
    case 'number':
      return (context) => asNumber(first!(context))
  }
}

/** As in JavaScript. */
function isTrue(value: unknown): boolean {
  return Boolean(value)
}

function number(value: unknown): number {
  if (typeof value === 'number') return value
  throw new MeteringError(value === null ? 'null_in_arithmetic' : 'not_a_number')
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new MeteringError('not_finite')
  return value
}

/** Two numbers, or two texts; below 0 when the first comes first. */
function order(left: unknown, right: unknown): number {
  const isSame = typeof left === typeof right && (typeof left === 'number' || typeof left === 'string')
  if (!isSame) throw new MeteringError(left === null || right === null ? 'null_in_arithmetic' : 'not_comparable')
  const [a, b] = [left as number, right as number]
  return a < b ? -1 : a > b ? 1 : 0
}

const numberText = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/

/** Null for what is no number and no text of one, so that `number(x) ?? 1` has a say. */
function asNumber(value: unknown): number | null {
  if (typeof value === 'number') return value
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value !== 'string' || value.length > 64 || !numberText.test(value)) return null
  const converted = Number(value)
  return Number.isFinite(converted) ? converted : null
}

/**
 * The next whole number, but for what only the binary arithmetic has put above one: 1.1 × 10 is
 * 11.000000000000002, and 11 is what it costs.
 */
export function roundedUp(value: number): number {
  const nearest = Math.round(value)
  return Math.abs(value - nearest) <= Math.abs(value) * 2 ** -50 ? nearest : Math.ceil(value)
}
