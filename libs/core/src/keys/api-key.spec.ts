import { describe, expect, it } from 'vitest'
import { isWellFormedKey, keyPrefix, keyState, presentedKey } from './api-key.ts'

const key = `ak_${'0123456789abcdef'.repeat(4)}`

it('a key is ak_ and 64 lower-case hex digits, nothing before or after', () => {
  expect(isWellFormedKey(key)).toBe(true)
  const others = [
    '',
    'ak_',
    key.slice(0, -1),
    `${key}0`,
    key.toUpperCase(),
    `${key}\n`,
    ` ${key}`,
    key.replace('f', 'g'),
  ]
  expect(others.filter(isWellFormedKey)).toEqual([])
})

it('a prefix is the first 12 characters', () => {
  expect(keyPrefix(key)).toBe('ak_012345678')
})

describe('presentedKey', () => {
  it.each([
    [`Bearer ${key}`, undefined, key, 'authorization'],
    [`bearer ${key}`, undefined, key, 'authorization'],
    [`BEARER   ${key} `, undefined, key, 'authorization'],
    [`Bearer ${key}`, 'other', key, 'authorization'],
    ['Bearer not-a-key', key, 'not-a-key', 'authorization'],
    [undefined, key, key, 'x-api-key'],
    [undefined, ` ${key} `, key, 'x-api-key'],
    ['Basic dTpw', key, key, 'x-api-key'],
    ['Bearer', key, key, 'x-api-key'],
    ['Bearer ', key, key, 'x-api-key'],
    ['', key, key, 'x-api-key'],
    [`Bearer${key}`, key, key, 'x-api-key'],
  ])('of Authorization %j and X-API-Key %j is %j from %s', (authorization, xApiKey, presented, from) => {
    expect(presentedKey(authorization, xApiKey)).toEqual({ key: presented, from })
  })

  it.each([
    [undefined, undefined],
    ['Basic dTpw', undefined],
    ['Bearer ', ' '],
    [undefined, ''],
  ])('of Authorization %j and X-API-Key %j is none', (authorization, xApiKey) => {
    expect(presentedKey(authorization, xApiKey)).toBeNull()
  })
})

describe('keyState', () => {
  it.each([
    [null, null, 'active'],
    [1001, null, 'active'],
    [1000, null, 'expired'],
    [null, 1, 'revoked'],
    [null, 5000, 'revoked'],
    [1, 2, 'revoked'],
  ])('of a key that expires at %j and is revoked at %j is %s at 1000', (expiresAtMs, revokedAtMs, state) => {
    expect(keyState({ expiresAtMs, revokedAtMs }, 1000)).toBe(state)
  })
})
