import { ApiError } from '@apigate/errors'
import { expect, test } from 'vitest'
import { checkAccept, checkContentType } from './negotiation.ts'

const statusOf = (check: () => void): number => {
  try {
    check()
    return 200
  } catch (error) {
    return (error as ApiError).status
  }
}

test.each([
  [undefined, 200],
  ['', 200],
  ['*/*', 200],
  ['application/json', 200],
  ['APPLICATION/VND.API+JSON', 200],
  ['application/vnd.api+json;q=0.9, text/html;q=1', 200],
  ['application/vnd.api+json; profile="https://a/b, https://c; d"', 200],
  ['application/vnd.api+json; profile="a\\",b"; q=1', 200],
  ['application/vnd.api+json; charset="a,b", application/vnd.api+json', 200],
  ['application/vnd.api+json; charset=utf-8', 406],
  ['application/vnd.api+json; ext="https://a"', 406],
  ['application/vnd.api+json; ext=https://a, application/vnd.api+json; indent=2', 406],
  ['application/vnd.api+json; charset="', 406],
])('Accept: %s is %i', (accept, status) => {
  expect(statusOf(() => checkAccept(accept))).toBe(status)
})

test.each([
  ['application/vnd.api+json', undefined, 200],
  ['application/vnd.api+json ; profile=x', 'identity', 200],
  ['application/json;charset=utf8', undefined, 200],
  ['application/vnd.api+json; q=1', undefined, 415],
  ['application/vnd.api+json; supported-ext="bulk"', undefined, 415],
  ['application/json, application/json', undefined, 415],
  ['application/jsonp', undefined, 415],
  ['application/json', 'br', 415],
  [undefined, undefined, 415],
])('Content-Type: %s in Content-Encoding: %s is %i', (type, encoding, status) => {
  expect(statusOf(() => checkContentType(type, encoding))).toBe(status)
})

test('a long header without an end is read in no time', () => {
  const started = performance.now()
  expect(statusOf(() => checkAccept(`application/vnd.api+json; a="${'\\'.repeat(15_000)}`))).toBe(406)
  expect(statusOf(() => checkAccept(`${'"'.repeat(7_500)}${',;'.repeat(4_000)}`))).toBe(200)
  expect(performance.now() - started).toBeLessThan(500)
})
