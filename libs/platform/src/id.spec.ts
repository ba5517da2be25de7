import { expect, test } from 'vitest'
import { newId } from './id.ts'

test('an id is its prefix and 26 lower-case Crockford characters', () => {
  for (const prefix of ['usr', 'plan', 'evt'] as const) {
    expect(newId(prefix)).toMatch(new RegExp(`^${prefix}_[0-7][0-9abcdefghjkmnpqrstvwxyz]{25}$`))
  }
})

test('ids grow, also within one millisecond and when the clock steps back', () => {
  const nowMs = Date.now() + 60_000
  const ids = [newId('key', nowMs)]
  for (let index = 0; index < 5_000; index += 1) ids.push(newId('key', nowMs - index))
  ids.push(newId('key', nowMs + 1))
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.toSorted()).toEqual(ids)
})

test('the time can be read back', () => {
  const nowMs = Date.now() + 120_000
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
  const time = newId('usr', nowMs).slice(4, 14)
  expect([...time].reduce((sum, digit) => sum * 32 + alphabet.indexOf(digit), 0)).toBe(nowMs)
})
