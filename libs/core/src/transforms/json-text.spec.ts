import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseJsonText } from './json-text.ts'

function again(text: string): string | undefined {
  const parsed = parseJsonText(text)
  return parsed?.write(parsed.value)
}

it.each([
  ...['12345678901234567890', '1.0', '1e2', '0.10', '-0', '-0.0', '1E400', '3.141592653589793238462643', '5', '-17.25'],
  ...['0.0000001', '9007199254740993', '123456789012345'],
])('the number %s comes out as it came in', (number) => {
  for (const text of [number, `[${number},${number}]`, `{"a":[${number},"x\\"1.0"],"1.0":${number},"b":{}}`]) {
    expect(again(text)).toBe(text)
  }
  expect(again(` { "a" : ${number} } `)).toBe(`{"a":${number}}`)
})

it('texts stay texts, whatever they hold', () => {
  const texts = ['"1.0"', '"\\\\"', '"\\\\\\"1.0"', '"udfff1.0"', '"😀"', '"{\\"a\\":1.0}"']
  for (const text of texts) expect(again(`[${text},1.0,${text}]`)).toBe(`[${text},1.0,${text}]`)
  // Here the mark is in the text: numbers lose their spelling, and nothing becomes a number.
  expect(again('["\\udfff5",1.0]')).toBe('["\\udfff5",1]')
  expect(again('["\\uDFFF5",1.0]')).toBe('["\\udfff5",1]')
  expect(again('["\\\\udfff5",1.0]')).toBe('["\\\\udfff5",1]')
})

it('what is no JSON, or nested too deeply, is null', () => {
  const texts = [
    '',
    '{',
    'undefined',
    '{"a":1}x',
    '\ufeff{}',
    '1.0.0',
    '01.0',
    '+1.0',
    '1.',
    '.5e3',
    '{1.0:1}',
    '{ 1e5 :1}',
  ]
  for (const text of [...texts, '[1.0 2.0]', '1.0"a"', '-', '1e', '[1.0', '"1.0', "{'a':1.0}", '1.0x', '[-0-0]']) {
    expect(parseJsonText(text), text).toBeNull()
  }
})

it('every JSON value survives, and what the platform does not take is not taken', () => {
  const parts = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '"',
    '\\',
    'a',
    '1.0',
    '-0',
    '1e5',
    '12345678901234567890',
    ' ',
  )
  const texts = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value)),
    fc.array(parts, { maxLength: 12 }).map((all) => all.join('')),
  )
  fc.assert(
    fc.property(texts, (text) => {
      let expected: unknown
      try {
        expected = JSON.parse(text)
      } catch {
        expected = 'no JSON'
      }
      const written = again(text)
      const actual: unknown = written === undefined ? 'no JSON' : JSON.parse(written)
      expect(JSON.stringify(actual)).toBe(JSON.stringify(expected))
    }),
    { numRuns: 500 },
  )
})
