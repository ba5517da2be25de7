import { expect, test } from 'vitest'
import { aKey } from '@apigate/testing'
import { aGateway, anExchange } from '../../../test/exchange.fixture.ts'
import { aCustomer, aRouteTo, put } from '../../../test/worker.fixture.ts'
import { authenticate } from './authenticate.ts'
import { matchRoute } from './match-route.ts'

const customer = aCustomer()
const ofSameUser = (over: object) => aKey({ userId: customer.userId, ...over })
const expired = ofSameUser({ expiresAtMs: Date.now() - 1 })
const revoked = ofSameUser({ revokedAtMs: Date.now() + 60_000 })
const scoped = aKey({ scopes: ['admin:read'] })
const gateway = aGateway([
  ...customer.items,
  ...[expired, revoked, scoped].map(({ config }) => put('key', config)),
  ...aRouteTo('http://one.example').items,
  ...aRouteTo('http://one.example', { pathPattern: '/public', authRequired: false }).items,
])

function authenticated(headers: Record<string, string>, url = '/') {
  const exchange = anExchange(gateway, { url, headers })
  matchRoute(exchange)
  return { exchange, verdict: authenticate(exchange) }
}

test('finds key and owner by either header', () => {
  const bearer = authenticated({ authorization: `bearer ${customer.key.clear}` })
  expect(bearer.verdict).toBeNull()
  expect(bearer.exchange).toMatchObject({ keyId: customer.key.config.id, isKeyInAuthorization: true })
  expect(bearer.exchange.owner).toMatchObject({ kind: 'user', id: customer.userId })
  const header = authenticated({ 'x-api-key': customer.key.clear, authorization: 'Basic eDp5' })
  expect(header.verdict).toBeNull()
  expect(header.exchange).toMatchObject({ keyId: customer.key.config.id, isKeyInAuthorization: false })
})

test.each([
  ['no key', {}, 401, 'missing_api_key'],
  ['an unknown key', { 'x-api-key': aKey().clear }, 401, 'invalid_api_key'],
  ['no key at all', { 'x-api-key': 'hello' }, 401, 'invalid_api_key'],
  [
    'a bad Bearer beside a good X-API-Key',
    { authorization: 'Bearer x', 'x-api-key': customer.key.clear },
    401,
    'invalid_api_key',
  ],
  ['an expired key', { 'x-api-key': expired.clear }, 401, 'key_expired'],
  ['a revoked key', { 'x-api-key': revoked.clear }, 401, 'key_revoked'],
  ['a service key', { 'x-api-key': scoped.clear }, 403, 'forbidden'],
])('refuses %s', (_name, headers, status, code) => {
  const { verdict } = authenticated(headers)
  expect(verdict).toMatchObject({ status, code })
  expect(verdict!.headers.includes('www-authenticate')).toBe(status === 401)
})

test('a public route looks at no key', () => {
  const { exchange, verdict } = authenticated({ 'x-api-key': revoked.clear }, '/public')
  expect(verdict).toBeNull()
  expect(exchange.keyId).toBeNull()
})
