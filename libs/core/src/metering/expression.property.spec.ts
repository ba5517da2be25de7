import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { aMeteringContext } from '../../test/a-metering-context.ts'
import { compileExpression } from './expression.ts'
import { ExpressionError, MeteringError } from './metering-error.ts'

/** A generated expression: how it is written, how tightly its outermost operator binds, and what it must give. */
interface Case {
  text: string
  binding: number
  result: () => unknown
}

class Failure extends Error {}

const body = { n: 3, f: 1.5, s: 'ab', t: true, z: null, list: [1, { x: 2 }], deep: { er: { v: 7 } } }
const leaves: Case[] = [
  ...[0, 1, 2, 10, 0.5, 1e6].map((n): Case => ({ text: String(n), binding: 9, result: () => n })),
  ...['', 'ab', '3'].map((s): Case => ({ text: JSON.stringify(s), binding: 9, result: () => s })),
  ...[true, false, null].map((v): Case => ({ text: String(v), binding: 9, result: () => v })),
  { text: 'status', binding: 9, result: () => 200 },
  { text: 'response.body.n', binding: 9, result: () => 3 },
  { text: 'respBody["f"]', binding: 9, result: () => 1.5 },
  { text: 'response.body.s', binding: 9, result: () => 'ab' },
  { text: 'response.body.s.length', binding: 9, result: () => 2 },
  { text: 'response.body.list[1].x', binding: 9, result: () => 2 },
  { text: 'response.body.list.length', binding: 9, result: () => 2 },
  { text: 'response.body . deep . er [ "v" ]', binding: 9, result: () => 7 },
  { text: 'response.body.z', binding: 9, result: () => null },
  { text: 'response.body.constructor', binding: 9, result: () => null },
]

const asNumber = (value: unknown): number => {
  if (typeof value !== 'number') throw new Failure('no number')
  return value
}
const whole = (value: number): number => {
  if (!Number.isFinite(value)) throw new Failure('not finite')
  return value
}
const compared = (a: unknown, b: unknown): [string, string] | [number, number] => {
  if (typeof a === 'number' && typeof b === 'number') return [a, b]
  if (typeof a === 'string' && typeof b === 'string') return [a, b]
  throw new Failure('not comparable')
}

/** Binding, and what it does; the right side comes as a function for those that may not look at it. */
const operators: Record<string, [number, (a: unknown, b: () => unknown) => unknown]> = {
  '||': [2, (a, b) => a || b()],
  '&&': [3, (a, b) => a && b()],
  '==': [4, (a, b) => a === b()],
  '!=': [4, (a, b) => a !== b()],
  '<': [5, (a, b) => ((pair) => pair[0] < pair[1])(compared(a, b()))],
  '<=': [5, (a, b) => ((pair) => pair[0] <= pair[1])(compared(a, b()))],
  '>': [5, (a, b) => ((pair) => pair[0] > pair[1])(compared(a, b()))],
  '>=': [5, (a, b) => ((pair) => pair[0] >= pair[1])(compared(a, b()))],
  '+': [6, (a, b) => whole(asNumber(a) + asNumber(b()))],
  '-': [6, (a, b) => whole(asNumber(a) - asNumber(b()))],
  '*': [7, (a, b) => whole(asNumber(a) * asNumber(b()))],
  '/': [7, (a, b) => whole(asNumber(a) / asNumber(b()))],
  '%': [7, (a, b) => whole(asNumber(a) % asNumber(b()))],
}

const within = (inner: Case, binding: number): string => (inner.binding < binding ? `(${inner.text})` : inner.text)

const { tree } = fc.letrec<{ tree: Case }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(...leaves),
    fc.tuple(fc.constantFrom(...Object.keys(operators)), tie('tree'), tie('tree')).map(([sign, a, b]) => {
      const [binding, apply] = operators[sign]!
      const text = `${within(a, binding)} ${sign} ${within(b, binding + 1)}`
      return { text, binding, result: () => apply(a.result(), b.result) }
    }),
    fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => ({
      text: `${within(a, 4)} ?? ${within(b, 4)}`,
      binding: 1,
      result: () => a.result() ?? b.result(),
    })),
    fc.tuple(tie('tree'), tie('tree'), tie('tree')).map(([a, b, c]) => ({
      text: `${within(a, 1)}?${b.text}:${c.text}`,
      binding: 0,
      result: () => (a.result() ? b.result() : c.result()),
    })),
    tie('tree').map((a) => ({ text: `!${within(a, 8)}`, binding: 8, result: () => !a.result() })),
    tie('tree').map((a) => ({ text: `- ${within(a, 8)}`, binding: 8, result: () => -asNumber(a.result()) })),
    tie('tree').map((a) => ({ text: `( ${a.text}\n)`, binding: 9, result: a.result })),
    fc.array(tie('tree'), { minLength: 1, maxLength: 3 }).map((args) => ({
      text: `max(${args.map(({ text }) => text).join(' ,')})`,
      binding: 9,
      result: () => Math.max(...args.map((arg) => asNumber(arg.result()))),
    })),
  ),
}))

describe('expressions', () => {
  it('give what a plain evaluator gives, or fail where it fails', () => {
    let results = 0
    fc.assert(
      fc.property(tree, ({ text, result }) => {
        fc.pre(text.length <= 1000)
        let expected: unknown
        try {
          expected = asNumber(result())
        } catch (error) {
          if (!(error instanceof Failure)) throw error
          expected = 'failure'
        }
        if (expected !== 'failure') results += 1
        let actual: unknown
        try {
          actual = compileExpression(text).evaluate(aMeteringContext({ responseBody: body }))
        } catch (error) {
          if (error instanceof ExpressionError && error.message.includes('deeper')) return
          if (!(error instanceof MeteringError)) throw error
          actual = 'failure'
        }
        expect(actual, text).toBe(expected)
      }),
      { numRuns: 600 },
    )
    expect(results).toBeGreaterThan(80)
  })

  it('whatever the text: a result, or an error of the language', () => {
    const parts = fc.constantFrom(
      ...[
        'status',
        'response.body',
        'respBody',
        '.',
        '[',
        ']',
        '(',
        ')',
        '"',
        "'",
        '\\',
        '?',
        ':',
        '??',
        '&&',
        '||',
        '!',
      ],
      ...[
        '=',
        '==',
        '<',
        '-',
        '+',
        '*',
        '/',
        '%',
        ',',
        '1',
        '0',
        '1e9',
        '.5',
        'min',
        'number',
        'null',
        'true',
        ' ',
        '\n',
      ],
      ...[
        '__proto__',
        'constructor',
        'this',
        'eval',
        '`',
        '${',
        '{',
        '}',
        ';',
        '=>',
        '\0',
        '\u2028',
        'é',
        '😀',
        '#',
        '@',
      ],
    )
    const bodies = [null, 1, 'text', [], {}, [[1, { a: null }]], { a: [1, { b: 'x' }], length: 'x' }]
    const texts = fc.oneof(
      fc.array(parts, { maxLength: 30 }).map((all) => all.join('')),
      fc.array(fc.nat(0xffff), { maxLength: 40 }).map((codes) => String.fromCharCode(...codes)),
    )
    fc.assert(
      fc.property(texts, fc.constantFrom<unknown>(...bodies), (text, responseBody) => {
        let error: unknown = null
        try {
          const result = compileExpression(text).evaluate(aMeteringContext({ responseBody }))
          expect(Number.isFinite(result)).toBe(true)
        } catch (thrown) {
          error = thrown
        }
        if (error === null || error instanceof MeteringError) return
        if (!(error instanceof ExpressionError)) throw error
        const { position } = error
        expect(position >= 1 && position <= text.length + 1).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('the longest ones cost as much as they are long', () => {
    const longest = ['1'.padEnd(999, '+1'), `${'!'.repeat(48)}1 ? 1 : 0`, `${'max('.repeat(49)}1${')'.repeat(49)}`]
    for (const text of longest) expect(compileExpression(text).evaluate(aMeteringContext())).toBeGreaterThan(0)
  })
})
