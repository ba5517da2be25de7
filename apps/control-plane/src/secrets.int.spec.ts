import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { startTestApi } from './api.fixture.ts'
import { buildSnapshot } from './config-publisher/snapshot.builder.ts'

test('no secret is in an answer, a log line, the audit trail, a change or a snapshot', async () => {
  const api = await startTestApi()
  const { databaseUrl, encryptionKey } = api.config
  const secrets = [new URL(databaseUrl).password, encryptionKey, api.adminKey]
  const answers: unknown[] = []
  const call: typeof api.call = async (...request) => {
    const answer = await api.call(...request)
    answers.push(answer)
    return answer
  }
  const nextSecret = (): string => {
    const secret = `secret-${secrets.length}-of-an:upstream`
    secrets.push(secret)
    return secret
  }

  const base_url = 'http://127.0.0.1:9000'
  const upstream = (changes: object): object => ({ name: 'u', base_url, auth_value: nextSecret(), ...changes })
  try {
    await api.create('users', { id: 'usr_a', email: 'a@example.com' })
    const { meta } = await api.create('api-keys', { user_id: 'usr_a' })
    // The first characters are shown: they name the key.
    secrets.push(meta.key.slice(12))

    const created = await call('POST', '/api/upstreams', upstream({ id: 'ups_a', auth_type: 'bearer' }))
    expect(created.status).toBe(201)
    const updates = [{ auth_type: 'basic' }, { auth_type: 'header', auth_header: 'x-token' }]
    for (const update of updates)
      expect((await call('PATCH', '/api/upstreams/ups_a', upstream(update))).status).toBe(200)
    await call('GET', '/api/upstreams?include=')

    const refusals = [
      ['PATCH', '/api/upstreams/ups_a', upstream({ name: 7, auth_type: 'x' }), 422],
      ['PATCH', '/api/upstreams/ups_a', upstream({ auth_value: `${nextSecret()}\n` }), 422],
      ['PATCH', '/api/upstreams/ups_none', upstream({}), 404],
      ['POST', '/api/upstreams', upstream({ id: 'ups_a', auth_type: 'bearer' }), 409],
      ['POST', '/api/upstreams', `{"name": "u", "auth_value": "${nextSecret()}`, 400],
      ['POST', '/api/upstreams', upstream({ base_url: `http://user:${nextSecret()}@host` }), 422],
    ] as const
    for (const [method, path, body, status] of refusals) {
      expect((await call(method, path, body)).status).toBe(status)
    }
    const withKey = [{ 'x-api-key': meta.key }, { 'x-api-key': undefined, authorization: `Bearer ${meta.key}` }]
    for (const header of withKey) expect((await call('GET', '/api/users', undefined, header)).status).toBe(403)

    // What nobody thought of is logged with everything that the driver says of it.
    await api.database.pool.query('ALTER TABLE upstreams ADD CHECK (retries > 0) NOT VALID')
    expect((await call('PATCH', '/api/upstreams/ups_a', upstream({ auth_type: 'bearer' }))).status).toBe(500)
    await api.database.pool.query('ALTER TABLE upstreams RENAME COLUMN retries TO gone')
    expect((await call('POST', '/api/upstreams', upstream({ auth_type: 'bearer' }))).status).toBe(500)
    await api.database.pool.query('ALTER TABLE upstreams RENAME COLUMN gone TO retries')
    expect(api.log.filter((line) => line.includes('request failed'))).toHaveLength(2)

    const { prisma } = api.database
    const places = {
      answers,
      log: api.log,
      audit: await prisma.auditEvent.findMany(),
      changes: await prisma.configChange.findMany(),
      snapshot: gunzipSync((await buildSnapshot(prisma)).body).toString(),
    }
    for (const [place, content] of Object.entries(places)) {
      const text = JSON.stringify(content, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
      expect([place, secrets.filter((secret) => text.includes(secret))]).toEqual([place, []])
    }
    expect(JSON.stringify(places.audit.map(({ after }) => after))).toContain('[masked]')
    expect(places.snapshot).toContain('ups_a')
  } finally {
    await api.stop()
  }
})
