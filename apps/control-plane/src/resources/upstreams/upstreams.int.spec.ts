import { createSealer } from '@apigate/platform'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sources, startTestApi, type TestApi } from '../../api.fixture.ts'

const encryptionKey = Buffer.alloc(32, 7).toString('base64')
const sealer = createSealer(encryptionKey)
const base_url = 'http://127.0.0.1:9000/prefix'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi({ APIGATE_ENCRYPTION_KEY: encryptionKey })
})
afterAll(() => api?.stop())

const sealedOf = async (id: string): Promise<string | null> =>
  (await api.database.prisma.upstream.findUniqueOrThrow({ where: { id } })).authValueSealed

test('an upstream has the defaults of the specification', async () => {
  const { id, attributes } = await api.create('upstreams', { name: 'plain', base_url })
  expect(id).toMatch(/^ups_[0-9a-z]{26}$/)
  expect(attributes).toMatchObject({
    ...{ base_url, timeout_ms: 30_000, max_idle_conns: 100, idle_conn_timeout_ms: 90_000, auth_type: 'none' },
    ...{ auth_header: null, targets: [], health_check: null, retries: 0, enabled: true },
  })
})

test('a credential goes in sealed and never comes out', async () => {
  const secret = 'Sup3r-secret-value'
  const sent = { id: 'ups_sealed', name: 's', base_url, auth_type: 'bearer', auth_value: secret }
  const created = await api.call('POST', '/api/upstreams', sent)
  expect(created.status).toBe(201)
  expect(JSON.stringify(created.document)).not.toContain('auth_value')
  const sealed = await sealedOf('ups_sealed')
  expect(sealer.open(sealed ?? '')).toBe(secret)

  const revision = BigInt(String(created.headers['x-config-revision']))
  const change = await api.database.prisma.configChange.findUniqueOrThrow({ where: { revision } })
  expect(change.items).toMatchObject([{ value: { authValueSealed: sealed } }])
  const audit = await api.database.prisma.auditEvent.findFirstOrThrow({ where: { targetId: 'ups_sealed' } })
  expect(audit.after).toMatchObject({ auth_value: '[masked]', auth_type: 'bearer' })
  expect(JSON.stringify(audit.after)).not.toContain(sealed)

  await api.call('PATCH', '/api/upstreams/ups_sealed', { description: 'the rest stays' })
  expect(await sealedOf('ups_sealed')).toBe(sealed)
  await api.call('PATCH', '/api/upstreams/ups_sealed', { auth_type: 'none' })
  expect(await sealedOf('ups_sealed')).toBeNull()
})

test('a credential is kept only for the type that it was given for', async () => {
  await api.create('upstreams', { id: 'ups_type', name: 't', base_url, auth_type: 'bearer', auth_value: 'abc' })
  const answer = await api.call('PATCH', '/api/upstreams/ups_type', { auth_type: 'basic' })
  expect(answer.status).toBe(422)
  expect(answer.document.errors[0].detail).toContain('auth_value is required')
  const basic = await api.call('PATCH', '/api/upstreams/ups_type', { auth_type: 'basic', auth_value: 'user:pass' })
  expect(basic.document.data.attributes.auth_type).toBe('basic')
})

test.each([
  [{ base_url: 'ftp://x' }, '/base_url'],
  [{ base_url: 'http://user:pass@x' }, '/base_url'],
  [{ base_url: 'http://x/#f' }, '/base_url'],
  [{ base_url: 'http://x/?q=1' }, '/base_url'],
  [{ base_url: 'http://' }, '/base_url'],
  [{ base_url: 'http://x/\r\nHost: y' }, '/base_url'],
  [{ timeout_ms: 0 }, '/timeout_ms'],
  [{ timeout_ms: 600_001 }, '/timeout_ms'],
  [{ auth_type: 'bearer' }, ''],
  [{ auth_type: 'header', auth_value: 'x' }, ''],
  [{ auth_type: 'header', auth_value: 'x', auth_header: 'Content-Length' }, '/auth_header'],
  [{ auth_type: 'basic', auth_value: 'no colon' }, '/auth_value'],
  [{ auth_type: 'bearer', auth_value: 'a\r\nX: y' }, '/auth_value'],
  [{ auth_value: 'x' }, '/auth_value'],
  [{ retries: 6 }, '/retries'],
  [{ retries: null }, '/retries'],
  [{ targets: {} }, '/targets'],
  [{ targets: null }, '/targets'],
  [{ targets: Array.from({ length: 101 }, (_, i) => ({ url: `http://a:${i + 1}` })) }, '/targets'],
  [{ targets: ['http://a'] }, '/targets/0'],
  [{ targets: [{ url: 'http://a', weight: -1 }] }, '/targets/0/weight'],
  [{ targets: [{ url: 'http://a', weight: 0 }] }, '/targets'],
  [{ targets: [{ url: 'http://a', wait: 1 }] }, '/targets/0'],
  [{ targets: [{ url: 'http://a' }, { url: 'ftp://b' }] }, '/targets/1/url'],
  [{ targets: [{ url: 'http://a/path' }] }, '/targets/0/url'],
  [{ targets: [{ url: 'http://a' }, { url: 'http://A:80/' }] }, '/targets/1/url'],
  [{ health_check: 'yes' }, '/health_check'],
  [{ health_check: { path: 'health' } }, '/health_check/path'],
  [{ health_check: { path: '/a b' } }, '/health_check/path'],
  [{ health_check: { interval_ms: 5 } }, '/health_check/interval_ms'],
  [{ health_check: { unhealthy_after: 0 } }, '/health_check/unhealthy_after'],
  [{ health_check: { url: '/' } }, '/health_check'],
])('%j is refused', async (attributes, pointer) => {
  const answer = await api.call('POST', '/api/upstreams', { name: 'bad', base_url, ...attributes })
  expect([answer.status, sources(answer)]).toEqual([422, [{ pointer }]])
})

test('targets, health check and retries reach workers with their defaults, and can be taken away', async () => {
  const targets = [{ url: 'http://one:81' }, { url: 'https://two', weight: 3 }]
  const created = await api.create('upstreams', { name: 'many', base_url, targets, health_check: {}, retries: 2 })
  expect(created.attributes).toMatchObject({ targets, health_check: {}, retries: 2 })
  const itemOf = async (revision: unknown): Promise<unknown> => {
    const where = { revision: BigInt(String(revision)) }
    return (await api.database.prisma.configChange.findUniqueOrThrow({ where })).items
  }
  const path = `/api/upstreams/${created.id}`
  const renamed = await api.call('PATCH', path, { description: 'as it was' })
  expect(await itemOf(renamed.headers['x-config-revision'])).toMatchObject([
    {
      value: {
        targets: [
          { url: 'http://one:81', weight: 1 },
          { url: 'https://two', weight: 3 },
        ],
        healthCheck: { path: '/', intervalMs: 10_000, unhealthyAfter: 3, healthyAfter: 2 },
        retries: 2,
      },
    },
  ])
  const cleared = await api.call('PATCH', path, { targets: [], health_check: null, retries: 0 })
  expect(cleared.document.data.attributes).toMatchObject({ targets: [], health_check: null, retries: 0 })
  expect(await itemOf(cleared.headers['x-config-revision'])).toMatchObject([{ value: { healthCheck: null } }])
})

test('an upstream that a route uses cannot be deleted', async () => {
  await api.create('upstreams', { id: 'ups_used', name: 'u', base_url })
  const route = await api.create('routes', { name: 'r', path_pattern: '/r', upstream_id: 'ups_used' })
  expect((await api.call('DELETE', '/api/upstreams/ups_used')).status).toBe(409)
  await api.call('DELETE', `/api/routes/${route.id}`)
  expect((await api.call('DELETE', '/api/upstreams/ups_used')).status).toBe(204)
})
