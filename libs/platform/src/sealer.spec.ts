import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createSealer } from './sealer.ts'

const sealer = createSealer(randomBytes(32).toString('base64'))

test('opens what it sealed, and seals the same text differently each time', () => {
  for (const text of ['', 'user:pässword', 'x'.repeat(10_000)]) expect(sealer.open(sealer.seal(text))).toBe(text)
  expect(sealer.seal('same')).not.toBe(sealer.seal('same'))
  expect(sealer.seal('secret')).toMatch(/^v1\.[0-9a-f]{8}\.[\w-]+$/)
})

test('any changed character is found', () => {
  const sealed = sealer.seal('secret')
  for (let index = 0; index < sealed.length; index += 1) {
    const other = sealed[index] === 'A' ? 'B' : 'A'
    const changed = sealed.slice(0, index) + other + sealed.slice(index + 1)
    // The last character may hold bits beyond the last byte, which base64 ignores.
    if (Buffer.from(changed.slice(12), 'base64url').equals(Buffer.from(sealed.slice(12), 'base64url'))) {
      if (index >= 12) continue
    }
    expect(() => sealer.open(changed), `position ${index}`).toThrow(/sealed/)
  }
  for (const text of ['', 'v1', 'v1.x', 'secret', `${sealed}.x`, sealed.slice(0, 20)]) {
    expect(() => sealer.open(text)).toThrow(/sealed/)
  }
})

test('a value of another key names both keys and nothing else', () => {
  const other = createSealer(randomBytes(32).toString('base64'))
  expect(() => other.open(sealer.seal('secret'))).toThrow(
    /^sealed with key [0-9a-f]{8}, but the key here is [0-9a-f]{8}$/,
  )
})

test('a key that is not 32 bytes of base64 is refused without being repeated', () => {
  for (const key of [
    '',
    'short',
    randomBytes(31).toString('base64'),
    `${'!'.repeat(43)}=`,
    randomBytes(32).toString('hex'),
  ]) {
    expect(() => createSealer(key)).toThrow(/^the encryption key must be 32 bytes in base64/)
  }
})
