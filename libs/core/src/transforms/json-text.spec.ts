import fc from 'fast-check'
import { expect, it } from 'vitest'
import { isJsonObject, parseJsonText, writeJsonText } from './json-text.ts'

it.each(['12345678901234567890', '1.0', '1e2', '0.10', '-0', '1E400', '3.141592653589793238462643', '5'])(
  'the number %s comes out as it came in',
  (number) => {
    const text = `{"a":[${number},"x"],"b":${number}}`
    expect(writeJsonText(parseJsonText(text))).toBe(text)
  },
)

it('a number that kept its text is no object', () => {
  expect(isJsonObject(parseJsonText('1.0'))).toBe(false)
  expect(isJsonObject(parseJsonText('{"a":1.0}'))).toBe(true)
})

it('what is no JSON, or nested too deeply, is undefined', () => {
  for (const text of ['', '{', 'undefined', '{"a":1}x', '\ufeff{}']) expect(parseJsonText(text)).toBeUndefined()
  const deep = `${'['.repeat(1_000_000)}1.0${']'.repeat(1_000_000)}`
  expect(parseJsonText(deep)).toBeUndefined()
})

it('every JSON value survives', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value)
      expect(writeJsonText(parseJsonText(text))).toBe(text)
    }),
  )
})
