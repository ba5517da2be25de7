import { expect, test } from 'vitest'
import { EnvReader } from './env.ts'

test('one start shows every bad setting', () => {
  const env = new EnvReader({ PORT: '80x', FLAG: 'yes', MODE: 'c' })
  env.integer('PORT', 1, 1, 65535)
  env.boolean('FLAG', false)
  env.oneOf('MODE', ['a', 'b'], 'a')
  env.required('URL', 'where to connect')
  expect(() => env.done()).toThrow(/PORT must be.*FLAG must be.*MODE must be.*URL is not set/s)
})

test('an empty value counts as unset', () => {
  const env = new EnvReader({ PORT: '', NAME: '' })
  expect(env.integer('PORT', 8080, 1, 65535)).toBe(8080)
  expect(env.string('NAME', 'x')).toBe('x')
  expect(env.optional('NAME')).toBeNull()
  env.done()
})
