import { expect, test } from 'vitest'
import { isOutage } from './outage.ts'

const coded = (code: string): Error => Object.assign(new Error('x'), { code })

test.each([
  ['a refused connection', coded('ECONNREFUSED')],
  ['a server that shuts down', coded('57P01')],
  ['a server that starts up', coded('57P03')],
  ['a deadlock', coded('40P01')],
  ['a full disk', coded('53100')],
  ['a connection lost within a query', new Error('Connection terminated unexpectedly')],
  ['a pool without a connection', new Error('timeout exceeded when trying to connect')],
  ['an outage as the cause', new Error('cannot write', { cause: coded('ECONNRESET') })],
])('%s is an outage', (_, error) => {
  expect(isOutage(error)).toBe(true)
})

test.each([
  ['bad JSON', coded('22P02')],
  ['a violated constraint', coded('23514')],
  ['a missing column', coded('42703')],
  ['a bug', new TypeError('x is not a function')],
  ['no error at all', 'ECONNREFUSED'],
])('%s is not', (_, error) => {
  expect(isOutage(error)).toBe(false)
})
