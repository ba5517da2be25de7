import { randomBytes } from 'node:crypto'
import { waitFor } from '@apigate/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../api.fixture.ts'

let api: TestApi
const keys: Record<string, string> = {}

beforeAll(async () => {
  api = await startTestApi()
  await api.create('users', { id: 'usr_a', email: 'a@example.com' })
  const make = async (name: string, attributes: object): Promise<void> => {
    keys[name] = (await api.create('api-keys', { id: `key_${name}`, ...attributes })).meta.key
  }
  await make('reader', { scopes: ['admin:read'] })
  await make('writer', { scopes: ['admin:write'] })
  await make('meter', { scopes: ['meter:write'] })
  await make('customer', { user_id: 'usr_a' })
  await make('owned', { user_id: 'usr_a', scopes: ['admin:read'] })
  await make('revoked', { scopes: ['admin:read'] })
  await api.call('POST', '/api/api-keys/key_revoked/revoke')
  await make('expired', { scopes: ['admin:read'], expires_at: '2999-01-01T00:00:00Z' })
  await api.database.prisma.apiKey.update({ where: { id: 'key_expired' }, data: { expiresAt: new Date() } })
})
afterAll(() => api?.stop())

const statusAs = async (headers: Record<string, string | undefined>, method: 'GET' | 'POST' = 'GET') =>
  (await api.call(method, '/api/plans', method === 'POST' ? {} : undefined, { 'x-api-key': undefined, ...headers }))
    .status

describe('who may call', () => {
  test.each([
    ['nothing', {}],
    ['an empty key', { 'x-api-key': '' }],
    ['a malformed key', { 'x-api-key': 'ak_x' }],
    ['an unknown key', { 'x-api-key': `ak_${randomBytes(32).toString('hex')}` }],
    ['another scheme', { authorization: 'Basic YTpi' }],
    ['an unknown Bearer token beside a good key', { authorization: 'Bearer x', 'x-api-key': 'good' }],
  ])('not who sends %s', async (_, sent: Record<string, string>) => {
    const key = sent['x-api-key'] === 'good' ? api.adminKey : sent['x-api-key']
    const answer = await api.call('GET', '/api/plans', undefined, { ...sent, 'x-api-key': key })
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer /)
    expect(answer.document.errors[0].code).toBe('unauthorized')
  })

  test('a key of the right scope, in either header', async () => {
    expect(await statusAs({ 'x-api-key': keys['reader'] })).toBe(200)
    expect(await statusAs({ authorization: `bearer ${keys['reader']}` })).toBe(200)
    expect(await statusAs({ 'x-api-key': keys['writer'] })).toBe(200)
  })

  test('reading does not imply writing, writing implies reading', async () => {
    expect(await statusAs({ 'x-api-key': keys['reader'] }, 'POST')).toBe(403)
    expect(await statusAs({ 'x-api-key': keys['writer'] }, 'POST')).toBe(422)
  })

  test('not a customer or a meter', async () => {
    expect(await statusAs({ 'x-api-key': keys['customer'] })).toBe(403)
    expect(await statusAs({ 'x-api-key': keys['meter'] })).toBe(403)
  })

  test('not with a key that was revoked or has expired', async () => {
    expect(await statusAs({ 'x-api-key': keys['revoked'] })).toBe(401)
    expect(await statusAs({ 'x-api-key': keys['expired'] })).toBe(401)
  })

  test('not with the key of a user who is not active', async () => {
    expect(await statusAs({ 'x-api-key': keys['owned'] })).toBe(200)
    await api.call('PATCH', '/api/users/usr_a', { status: 'suspended' })
    expect(await statusAs({ 'x-api-key': keys['owned'] })).toBe(403)
  })
})

test('every path of the API is closed to strangers, before a body is read', async () => {
  const paths = ['/api/plans', '/api/users', '/api/api-keys', '/api/upstreams', '/api/routes', '/api/usage-events']
  for (const path of [...paths, '/api/workers', '/api/users/usr_a/plan', '/api/users/usr_a/relationships/plan']) {
    expect((await api.call('GET', path, undefined, { 'x-api-key': undefined })).status).toBe(401)
  }
  expect((await api.call('POST', '/api/plans', '{', { 'x-api-key': undefined })).status).toBe(401)
  expect((await api.call('POST', '/api/plans', ' '.repeat(2_000_000), { 'x-api-key': undefined })).status).toBe(401)
})

test('the last use of a key is noted, at most once a minute', async () => {
  const lastUsed = async () =>
    (await api.call('GET', '/api/api-keys/key_writer')).document.data.attributes.last_used as string | null
  await statusAs({ 'x-api-key': keys['writer'] })
  await waitFor(async () => (await lastUsed()) !== null)
  const noted = await lastUsed()
  await statusAs({ 'x-api-key': keys['writer'] })
  expect(await lastUsed()).toBe(noted)
})
