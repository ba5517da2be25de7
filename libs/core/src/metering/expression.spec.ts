import { describe, expect, it } from 'vitest'
import { aMeteringContext } from '../../test/a-metering-context.ts'
import { compileExpression } from './expression.ts'
import type { MeteringContext } from './metering-context.ts'
import { ExpressionError, MeteringError } from './metering-error.ts'

const value = (source: string, over: Partial<MeteringContext> = {}): number =>
  compileExpression(source).evaluate(aMeteringContext(over))

/** The code of the failure. */
function failure(source: string, over: Partial<MeteringContext> = {}): string {
  try {
    return `a result: ${value(source, over)}`
  } catch (error) {
    if (!(error instanceof MeteringError)) throw error
    return error.code
  }
}

/** Where and why it does not compile. */
function refusal(source: string): [number, string] {
  try {
    compileExpression(source)
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    return [error.position, error.message]
  }
  throw new Error(`${source} compiles`)
}

const responseBody = {
  usage: { total_tokens: 120, 'odd name': 4 },
  items: [{ price: 3 }, { price: 5 }],
  text: 'abc',
  flag: false,
  nothing: null,
}

describe('an expression', () => {
  it.each([
    ['1', 1],
    ['1.5e2', 150],
    ['1 + 2 * 3', 7],
    ['(1 + 2) * 3', 9],
    ['10 - 3 - 2', 5],
    ['100 / 10 / 2', 5],
    ['7 % 4', 3],
    ['-2 * -3', 6],
    ['--3', 3],
    ['status == 200 ? 5 : 1', 5],
    ['status >= 400 ? 0 : status >= 300 ? 1 : 2', 2],
    ['1 < 2 && 2 < 3 ? 1 : 0', 1],
    ['"b" > \'a\' ? 1 : 0', 1],
    ['method == "POST" && !(path == "/") ? 2 : 0', 2],
    ['response.body.usage.total_tokens', 120],
    ['respBody.usage["total_tokens"] / 100', 1.2],
    ["respBody.usage['odd name']", 4],
    ['response.body.items[1].price', 5],
    ['response.body.items.length', 2],
    ['response.body.text.length + path.length', 12],
    ['response.body.none ?? 7', 7],
    ['response.body.none.deeper[3].still ?? 7', 7],
    ['response.body.nothing ?? 7', 7],
    ['response.body.text.none ?? 7', 7],
    ['response.body.text[0] ?? 7', 7],
    ['response.body.flag ?? 7 ? 1 : 2', 2],
    ['response.body.flag || 7', 7],
    ['response.body.items && 3', 3],
    ['response.body.nothing == null ? 1 : 0', 1],
    ['response.body.items != null ? 1 : 0', 1],
    ['1 == "1" ? 1 : 0', 0],
    ['min(3, 1, 2) + max(4) + max(1, 9)', 14],
    ['ceil(1.2) + floor(1.8) + round(1.5)', 5],
    ['number("12.5") + number(true) + number(3)', 16.5],
    ['number(response.body.text) ?? 9', 9],
    ['number(null) ?? 9', 9],
    ['(1 && 0) ?? 2', 0],
    ['requestBytes + responseBytes + latencyMs + durationMs', 90],
    [String.raw`"a\"\\" == 'a"\\' ? 1 : 0`, 1],
  ])('%s is %d', (source, expected) => {
    expect(value(source, { responseBody })).toBe(expected)
  })

  it('reads the names of its context', () => {
    const context = {
      ...{ params: { id: 'x' }, query: { n: '3' }, sseEvents: 4, messagesIn: 5, messagesOut: 6 },
      requestBody: [1, 2],
      requestHeaders: { 'x-count': '8' },
      responseHeaders: { 'set-cookie': ['a', 'b'] },
      sseLast: { n: 1 },
      sseUsage: { total_tokens: 9 },
    }
    const source = `number(query.n) + params.id.length + request.body[1] + number(request.headers["X-Count"]) +
      response.headers["set-cookie"].length + sse.events + sse.last.n + sse.usage.total_tokens + messagesIn + messagesOut`
    expect(value(source, context)).toBe(3 + 1 + 2 + 8 + 2 + 4 + 1 + 9 + 5 + 6)
  })

  it('says which inputs it may read, and reads only those that it comes by', () => {
    const { inputs, evaluate } = compileExpression('status >= 400 ? 0 : response.body.n + sse.events')
    expect([...inputs].toSorted()).toEqual(['responseBody', 'sseEvents', 'status'])
    const context = Object.defineProperty(aMeteringContext({ status: 404 }), 'responseBody', {
      get() {
        throw new MeteringError('body_too_large')
      },
    })
    expect(evaluate(context)).toBe(0)
    expect(() => evaluate({ ...aMeteringContext() })).toThrow('null_in_arithmetic')
  })

  it.each([
    ['response.body.none + 1', 'null_in_arithmetic'],
    ['-response.body.none', 'null_in_arithmetic'],
    ['response.body.none > 1', 'null_in_arithmetic'],
    ['max(1, response.body.none)', 'null_in_arithmetic'],
    ['"1" + 1', 'not_a_number'],
    ['true * 2', 'not_a_number'],
    ['response.body.items * 2', 'not_a_number'],
    ['1 < "2"', 'not_comparable'],
    ['true < false', 'not_comparable'],
    ['1 / 0', 'not_finite'],
    ['1 % 0', 'not_finite'],
    ['1e308 * 10', 'not_finite'],
    ['response.body.none', 'result_is_no_number'],
    ['"12"', 'result_is_no_number'],
    ['1 == 1', 'result_is_no_number'],
    ['response.body', 'result_is_no_number'],
  ])('%s fails with %s', (source, code) => {
    expect(failure(source, { responseBody })).toBe(code)
  })

  it('a number that JSON cannot hold is no result', () => {
    expect(failure('response.body.n', { responseBody: JSON.parse('{"n":1e999}') })).toBe('not_finite')
  })

  it.each([
    ['response.body.constructor', {}],
    ['response.body.__proto__', {}],
    ['response.body.__proto__.polluted', {}],
    ['response.body.constructor.prototype', {}],
    ['response.body.toString', {}],
    ['response.body.length', {}],
    ['response.body.push', []],
    ['response.body["__proto__"]["constructor"]', []],
    ['response.body.a.constructor', { a: 'text' }],
    ['response.body.a.at', { a: 'text' }],
    ['response.body.a.toFixed', { a: 5 }],
    ['response.headers.constructor', {}],
    ['params.__proto__', {}],
  ])('%s reaches no prototype', (source, body) => {
    expect(value(`${source} == null ? 1 : 0`, { responseBody: body })).toBe(1)
  })

  it('reads a member of a body that is named like a prototype', () => {
    expect(value('response.body.__proto__.n', { responseBody: JSON.parse('{"__proto__":{"n":5}}') })).toBe(5)
  })

  it.each([
    ['', 1, 'ends where a value'],
    ['  ', 3, 'ends where a value'],
    ['1 +', 4, 'ends where a value'],
    ['1 2', 3, 'should end before "2"'],
    ['(1', 3, '")" is missing'],
    ['1)', 2, 'should end before ")"'],
    ['* 2', 1, 'should stand before "*"'],
    ['foo', 1, '"foo" is not known; known are status, method'],
    ['1 + constructor', 5, 'not known'],
    ['__proto__', 1, 'not known'],
    ['globalThis', 1, 'not known'],
    ['request', 1, 'request has headers, body'],
    ['request.foo', 1, 'request has headers, body'],
    ['sse.count', 1, 'sse has events, last, usage'],
    ['status.code', 1, 'is a number and has no "code"'],
    ['sse.events.length', 1, 'is a number'],
    ['method.at', 1, 'is a text'],
    ['fetch("x")', 1, '"fetch" is no function'],
    ['hasOwnProperty("x")', 1, 'is no function'],
    ['min()', 1, 'takes one value or more'],
    ['ceil(1, 2)', 1, 'takes one value'],
    ['min(1', 6, '")" is missing'],
    ['min(1,)', 7, 'should stand before ")"'],
    ['status = 200', 8, 'write == to compare'],
    ['status === 200', 8, 'write =='],
    ['1 & 2', 3, 'write &&'],
    ['status ? 1', 11, '":" is missing'],
    ['response.body.', 15, 'a name should follow the dot'],
    ['response.body?.x', 15, 'should stand before "."'],
    ['response.body[status]', 15, 'brackets hold'],
    ['response.body[1.5]', 15, 'brackets hold'],
    ['response.body[-1]', 15, 'brackets hold'],
    ['response.body[01]', 15, 'brackets hold'],
    ['response.body[0', 16, '"]" is missing'],
    ['"abc', 1, 'no closing quote'],
    ['"a\\n"', 3, 'backslash'],
    ['1e999', 1, 'too large'],
    ['12ab', 1, 'ends in letters'],
    ['1 ?? 2 || 3', 8, 'needs parentheses'],
    ['1 || 2 ?? 3', 8, 'needs parentheses'],
    ['1 && 2 ?? 3', 8, 'needs parentheses'],
    ['{}', 1, '"{" is not part'],
    ['a => 1', 3, 'is not part'],
    ['`x`', 1, 'not part'],
    ['status; 1', 7, 'not part'],
    ['status # x', 8, 'not part'],
    ['😀', 1, '"😀" is not part'],
  ])('%j is refused at %d: %s', (source, position, message) => {
    const [at, said] = refusal(source)
    expect(said).toContain(message)
    expect(at).toBe(position)
  })

  it('is bounded in length and in depth', () => {
    expect(refusal(`${'1+'.repeat(500)}1`)).toEqual([1001, 'the expression is longer than 1000 characters'])
    const deep = 'the expression is nested deeper than 50 levels'
    expect(refusal(`${'('.repeat(51)}1${')'.repeat(51)}`)).toEqual([51, deep])
    expect(refusal(`${'-'.repeat(60)}1`)).toEqual([51, deep])
    expect(refusal(`${'status ? 1 : '.repeat(60)}1`)).toEqual([647, deep])
  })
})
