import { createHmac, randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { signatureHeaders } from './webhook.signature.ts'

const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`
const body = '{"id":"whe_1","text":"ü — \\u0000"}'

test('the reference implementation takes the signature of each valid secret, and no other', () => {
  const [current, previous, other] = [newSecret(), newSecret(), newSecret()]
  const headers = signatureHeaders('whe_1', Date.now(), body, [current, previous])
  for (const secret of [current, previous]) expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body))
  expect(() => new Webhook(other).verify(body, headers)).toThrow('No matching signature')
  expect(() => new Webhook(current).verify(`${body} `, headers)).toThrow('No matching signature')
  expect(() => new Webhook(current).verify(body, { ...headers, 'webhook-id': 'whe_2' })).toThrow('No matching')
})

test('what is minutes old is refused by the receiver', () => {
  const secret = newSecret()
  const headers = signatureHeaders('whe_1', Date.now() - 360_000, body, [secret])
  expect(() => new Webhook(secret).verify(body, headers)).toThrow('too old')
})

test('the plain signature is that of the body, with the newest secret as it was shown', () => {
  const [current, previous] = [newSecret(), newSecret()]
  const headers = signatureHeaders('whe_1', Date.now(), body, [current, previous])
  expect(headers['x-webhook-signature']).toBe(createHmac('sha256', current).update(body).digest('hex'))
})
