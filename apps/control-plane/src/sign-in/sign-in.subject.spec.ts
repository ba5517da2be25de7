import { expect, test } from 'vitest'
import { subjectOf } from './sign-in.subject.ts'

const subject = (address: string, email = 'a@example.com'): string =>
  Buffer.from(subjectOf('account_from_address', { address, email })).toString('hex')

test.each([
  ['192.0.2.1', '::ffff:192.0.2.1'],
  ['2001:db8::1', '2001:DB8:0:0:ffff:ffff:ffff:ffff'],
  ['unknown', 'unknown'],
])('%s counts as %s', (one, other) => {
  expect(subject(one)).toBe(subject(other))
})

test.each([
  ['192.0.2.1', '192.0.2.2'],
  ['2001:db8::1', '2001:db8:0:1::1'],
  ['unknown', 'other'],
])('%s does not count as %s', (one, other) => {
  expect(subject(one)).not.toBe(subject(other))
})

test('an account is the same in whatever case, and none is the other', () => {
  expect(subject('192.0.2.1', 'A@Example.com')).toBe(subject('192.0.2.1', 'a@example.com'))
  expect(subject('192.0.2.1', 'b@example.com')).not.toBe(subject('192.0.2.1', 'a@example.com'))
})

test('the bounds are counted apart', () => {
  const attempt = { address: '192.0.2.1', email: '192.0.2.1' }
  const subjects = (['address', 'account', 'account_from_address'] as const).map((bound) =>
    Buffer.from(subjectOf(bound, attempt)).toString('hex'),
  )
  expect(new Set(subjects).size).toBe(3)
})
