import { tokensOf, type Token } from './expression-lexer.ts'
import { meteringPath, type MeteringPath } from './metering-context.ts'
import { ExpressionError } from './metering-error.ts'

export type BinaryOperator = '+' | '-' | '*' | '/' | '%' | '<' | '<=' | '>' | '>=' | '==' | '!=' | '&&' | '||' | '??'
export type FunctionName = 'min' | 'max' | 'ceil' | 'floor' | 'round' | 'number'

export type Node =
  | { readonly kind: 'value'; readonly value: number | string | boolean | null }
  | { readonly kind: 'path'; readonly path: MeteringPath }
  | { readonly kind: 'minus' | 'not' | 'group'; readonly of: Node }
  | { readonly kind: 'binary'; readonly operator: BinaryOperator; readonly left: Node; readonly right: Node }
  | { readonly kind: 'choice'; readonly when: Node; readonly chosen: Node; readonly otherwise: Node }
  | { readonly kind: 'call'; readonly name: FunctionName; readonly args: readonly Node[] }

export const expressionCharsMax = 1_000
const levelsMax = 50

/** Number of arguments, at least and at most. */
const functions: Readonly<Record<FunctionName, readonly [number, number]>> = {
  min: [1, Infinity],
  max: [1, Infinity],
  ceil: [1, 1],
  floor: [1, 1],
  round: [1, 1],
  number: [1, 1],
}
/** From the loosest to the tightest, below `??`. All associate to the left. */
const levels: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['==', '!='],
  ['<', '<=', '>', '>='],
  ['+', '-'],
  ['*', '/', '%'],
]
const equality = 2

/** @throws ExpressionError */
export function parseExpression(source: string): Node {
  if (source.length > expressionCharsMax)
    throw new ExpressionError(expressionCharsMax + 1, `the expression is longer than ${expressionCharsMax} characters`)
  return new Parser(source).whole()
}

class Parser {
  readonly #tokens: readonly Token[]
  #at = 0
  #level = 0

  constructor(source: string) {
    this.#tokens = tokensOf(source)
  }

  whole(): Node {
    const node = this.#expression()
    const { kind, text, position } = this.#token
    if (kind !== 'end') throw new ExpressionError(position, `the expression should end before "${text}"`)
    return node
  }

  get #token(): Token {
    return this.#tokens[this.#at]!
  }

  #isSign(text: string): boolean {
    return this.#token.kind === 'sign' && this.#token.text === text
  }

  /** Steps over the sign if it is there. */
  #skip(text: string): boolean {
    if (!this.#isSign(text)) return false
    this.#at += 1
    return true
  }

  #expect(text: string, what: string): void {
    if (!this.#skip(text)) throw new ExpressionError(this.#token.position, `"${text}" is missing ${what}`)
  }

  #deeper<T>(parse: () => T): T {
    this.#level += 1
    if (this.#level > levelsMax)
      throw new ExpressionError(this.#token.position, `the expression is nested deeper than ${levelsMax} levels`)
    const result = parse()
    this.#level -= 1
    return result
  }

  #expression(): Node {
    return this.#deeper(() => {
      const when = this.#fallback()
      if (!this.#skip('?')) return when
      const chosen = this.#expression()
      this.#expect(':', 'behind the first choice of "?"')
      return { kind: 'choice', when, chosen, otherwise: this.#expression() }
    })
  }

  /** As in JavaScript, `??` does not stand beside `&&` and `||` without parentheses: too few readers know which is first. */
  #fallback(): Node {
    let left = this.#binary(0)
    if (this.#isSign('??') && left.kind === 'binary' && (left.operator === '&&' || left.operator === '||'))
      this.#mixed()
    while (this.#skip('??')) {
      left = { kind: 'binary', operator: '??', left, right: this.#binary(equality) }
      if (this.#isSign('&&') || this.#isSign('||')) this.#mixed()
    }
    return left
  }

  #mixed(): never {
    throw new ExpressionError(this.#token.position, '"??" beside "&&" or "||" needs parentheses')
  }

  #binary(level: number): Node {
    const operators = levels[level]
    if (operators === undefined) return this.#unary()
    let left = this.#binary(level + 1)
    for (;;) {
      const { kind, text } = this.#token
      if (kind !== 'sign' || !operators.includes(text)) return left
      this.#at += 1
      left = { kind: 'binary', operator: text as BinaryOperator, left, right: this.#binary(level + 1) }
    }
  }

  #unary(): Node {
    if (this.#skip('!')) return this.#deeper(() => ({ kind: 'not', of: this.#unary() }))
    if (this.#skip('-')) return this.#deeper(() => ({ kind: 'minus', of: this.#unary() }))
    return this.#primary()
  }

  #primary(): Node {
    const { kind, text, position } = this.#token
    if (kind === 'end') throw new ExpressionError(position, 'the expression ends where a value should follow')
    this.#at += 1
    if (kind === 'number') return { kind: 'value', value: Number(text) }
    if (kind === 'text') return { kind: 'value', value: text }
    if (kind === 'name') return this.#named(text, position)
    if (text !== '(') throw new ExpressionError(position, `a value should stand before "${text}"`)
    const of = this.#expression()
    this.#expect(')', 'to close the parenthesis')
    return { kind: 'group', of }
  }

  #named(name: string, position: number): Node {
    if (name === 'null') return { kind: 'value', value: null }
    if (name === 'true' || name === 'false') return { kind: 'value', value: name === 'true' }
    if (this.#skip('(')) return this.#call(name, position)
    const path = meteringPath([name, ...this.#steps()])
    if (typeof path === 'string') throw new ExpressionError(position, path)
    return { kind: 'path', path }
  }

  /** What follows a name: `.name`, `[0]`, `["name"]`. */
  #steps(): string[] {
    const steps: string[] = []
    for (;;) {
      if (this.#skip('.')) {
        steps.push(this.#step('name', 'a name should follow the dot').text)
      } else if (this.#skip('[')) {
        const step = this.#step(
          this.#token.kind === 'text' ? 'text' : 'number',
          'brackets hold a whole number or a text',
        )
        if (step.kind === 'number' && !/^(?:0|[1-9]\d{0,8})$/.test(step.text))
          throw new ExpressionError(step.position, 'brackets hold a whole number or a text')
        steps.push(step.text)
        this.#expect(']', 'to close the bracket')
      } else {
        return steps
      }
    }
  }

  #step(kind: Token['kind'], otherwise: string): Token {
    const token = this.#token
    if (token.kind !== kind) throw new ExpressionError(token.position, otherwise)
    this.#at += 1
    return token
  }

  #call(name: string, position: number): Node {
    if (!isFunction(name))
      throw new ExpressionError(position, `"${name}" is no function; there are ${Object.keys(functions).join(', ')}`)
    const args: Node[] = []
    if (!this.#skip(')')) {
      do args.push(this.#expression())
      while (this.#skip(','))
      this.#expect(')', `to close ${name}(`)
    }
    const [least, most] = functions[name]
    if (args.length < least || args.length > most)
      throw new ExpressionError(position, `${name} takes ${most === 1 ? 'one value' : 'one value or more'}`)
    return { kind: 'call', name, args }
  }
}

function isFunction(name: string): name is FunctionName {
  return Object.hasOwn(functions, name)
}
