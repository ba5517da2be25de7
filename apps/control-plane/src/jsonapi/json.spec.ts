import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseJson } from './json.ts'

const parse = (text: string): unknown => parseJson(Buffer.from(text))

test('what JSON.stringify writes is read as it was', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 10 }), (text) => {
      expect(parse(text)).toEqual(JSON.parse(text))
    }),
  )
})

test.each([
  '{"a":1,"a":2}',
  '{"a":1,"b":{"c":[{"d":1 , "d" : 1}]}}',
  '{"a":1,"\\u0061":2}',
  '{"a\\\\":1,"a\\\\":2}',
  '[{"a":1},{"b":1,"b":1}]',
])('a member given twice is refused: %s', (text) => {
  expect(() => parse(text)).toThrow('twice')
})

test.each([
  '[{"a":1},{"a":1}]',
  '{"a":{"a":{"a":1}}}',
  '{"a":":","b":"\\":","c":"\\\\"}',
  '{"":"" }',
  '["a","a"]',
  '":"',
])('nothing is given twice in %s', (text) => {
  expect(parse(text)).toEqual(JSON.parse(text))
})

test('a text of nothing but quotes and backslashes is read in linear time', () => {
  const text = JSON.stringify({ a: '\\"'.repeat(200_000), b: '\\'.repeat(200_000) })
  expect(parse(text)).toEqual(JSON.parse(text))
})
