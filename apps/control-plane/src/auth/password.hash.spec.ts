import { argon2Sync } from 'node:crypto'
import { afterAll, beforeEach, expect, test, vi } from 'vitest'

const derived = vi.hoisted(() => vi.fn<(memory: number, passes: number) => void>())
vi.mock(import('node:crypto'), async (original) => {
  const crypto = await original()
  const argon2: typeof crypto.argon2 = (algorithm, parameters, callback) => {
    derived(parameters.memory, parameters.passes)
    crypto.argon2(algorithm, parameters, callback)
  }
  return { ...crypto, argon2 }
})
// The module as other files have it, before and after, knows nothing of this.
vi.resetModules()
const { hashPassword, isOutdated, matchesHash } = await import('./password.hash.ts')
afterAll(() => void vi.resetModules())
beforeEach(() => {
  derived.mockClear()
})

test('a hash is argon2id in the PHC format, with OWASP’s cost, and another one each time', async () => {
  const [one, two] = [await hashPassword('a password'), await hashPassword('a password')]
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  expect(one).not.toBe(two)
  expect(isOutdated(one)).toBe(false)
  expect(await matchesHash('a password', one)).toBe(true)
  expect(await matchesHash('A password', one)).toBe(false)
  expect(await matchesHash('', one)).toBe(false)
})

test('a hash of another cost is taken for what it is', async () => {
  const salt = Buffer.from('saltsaltsaltsalt')
  const parameters = { message: 'a password', nonce: salt, memory: 64, passes: 1, parallelism: 2, tagLength: 24 }
  const tag = argon2Sync('argon2id', parameters)
  const hash = `$argon2id$v=19$m=64,t=1,p=2$${salt.toString('base64').replace(/=+$/, '')}$${tag.toString('base64')}`
  expect(await matchesHash('a password', hash)).toBe(true)
  expect(await matchesHash('another', hash)).toBe(false)
  expect(isOutdated(hash)).toBe(true)
})

test.each([
  null,
  '',
  'plain text',
  '$2b$12$abcdefghijklmnopqrstuuv0123456789012345678901234567890',
  '$argon2i$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  '$argon2id$v=19$m=99999999,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
])('nothing matches %j, at the cost of a wrong password', async (hash) => {
  expect(await matchesHash(hash ?? '', hash)).toBe(false)
  expect(derived.mock.calls).toEqual([[19_456, 2]])
})
