import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { startTestApi, type TestApi } from './api.fixture.ts'
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

    const places = await placesOf(api, answers)
    expectNowhere(places, secrets)
    expect(JSON.stringify(places.audit.map(({ after }) => after))).toContain('[masked]')
    expect(places.snapshot).toContain('ups_a')
  } finally {
    await api.stop()
  }
})

test('no password, session or CSRF token is in an answer, a log line, the audit trail, a change, a snapshot or a table', async () => {
  const api = await startTestApi({
    APIGATE_ADMIN_EMAIL: 'first@example.com',
    APIGATE_ADMIN_PASSWORD: 'the first password',
  })
  const { prisma, pool } = api.database
  const secrets = ['the first password']
  const answers: unknown[] = []
  const nextPassword = (): string => {
    const secret = `the password number ${secrets.length}`
    secrets.push(secret)
    return secret
  }
  const call = async (
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    url: string,
    body?: object,
    headers: Record<string, string | undefined> = {},
  ): Promise<number> => {
    const answer = await api.call(method, url, body, headers)
    answers.push(answer)
    return answer.status
  }
  /** The one answer that may show them. */
  const signIn = async (email: string, password: string) => {
    const body = { email, password }
    const { headers, document } = await api.call('POST', '/auth/login', body, { 'x-api-key': undefined })
    const cookie = /apigate_session=[^;]+/.exec(String(headers['set-cookie']))?.[0] ?? ''
    const csrf: string = document.data.meta.csrf_token
    secrets.push(cookie.slice('apigate_session='.length), csrf)
    return { 'x-api-key': undefined, cookie, 'x-csrf-token': csrf }
  }
  const noteHashes = async (): Promise<void> => {
    for (const { passwordHash } of await prisma.user.findMany()) {
      if (passwordHash !== null) secrets.push(...passwordHash.split('$').slice(-2))
    }
  }

  try {
    const session = await signIn('first@example.com', 'the first password')
    const other = await signIn('first@example.com', 'the first password')
    await noteHashes()
    const user = (changes: object): object => ({
      email: 'b@example.com',
      role: 'admin',
      password: nextPassword(),
      ...changes,
    })
    expect(await call('POST', '/api/users', user({ id: 'usr_b' }), session)).toBe(201)
    expect(await call('PATCH', '/api/users/usr_b', { password: nextPassword() }, session)).toBe(200)
    await noteHashes()
    const again = nextPassword()
    const change = { current_password: 'the first password', new_password: again }
    expect(await call('POST', '/auth/password', change, session)).toBe(204)
    await noteHashes()
    expect(await call('GET', '/api/sessions?include=user', undefined, session)).toBe(200)
    expect(await call('GET', '/api/audit-events', undefined, session)).toBe(200)

    const stranger = { 'x-api-key': undefined }
    expect(await call('GET', '/auth/me', undefined, other)).toBe(401)
    expect(await call('POST', '/api/plans', {}, { ...session, 'x-csrf-token': `${session['x-csrf-token']}x` })).toBe(
      403,
    )
    expect(await call('POST', '/auth/login', { email: 'b@example.com', password: nextPassword() }, stranger)).toBe(401)
    // Typed into the wrong field.
    expect(await call('POST', '/auth/login', { email: nextPassword(), password: 'x' }, stranger)).toBe(401)
    expect(await call('POST', '/auth/login', { password: nextPassword() }, stranger)).toBe(422)
    expect(await call('POST', '/api/users', user({ role: 'customer' }), session)).toBe(422)
    expect(await call('PATCH', '/api/users/usr_b', { password: `${nextPassword()} ${'x'.repeat(300)}` }, session)).toBe(
      422,
    )
    expect(await call('POST', '/api/users', user({}), session)).toBe(409)

    // What nobody thought of is logged with everything that the driver says of it.
    await pool.query('ALTER TABLE users ADD CHECK (name <> $$fails$$) NOT VALID')
    expect(await call('PATCH', '/api/users/usr_b', { name: 'fails', password: nextPassword() }, session)).toBe(500)
    await pool.query('ALTER TABLE sessions ADD CHECK (false) NOT VALID')
    expect(await call('POST', '/auth/login', { email: 'first@example.com', password: again }, stranger)).toBe(500)
    await pool.query('ALTER TABLE sign_in_counts RENAME TO gone')
    expect(await call('POST', '/auth/login', { email: 'b@example.com', password: nextPassword() }, stranger)).toBe(500)
    await pool.query('ALTER TABLE gone RENAME TO sign_in_counts')
    expect(await call('POST', '/auth/logout', undefined, session)).toBe(204)
    expect(await call('GET', '/auth/me', undefined, session)).toBe(401)

    const places = await placesOf(api, answers)
    expectNowhere(
      { ...places, sessions: await prisma.session.findMany(), counts: await prisma.signInCount.findMany() },
      secrets,
    )
    expect(secrets.length).toBeGreaterThan(15)
    expect(JSON.stringify(places.audit.map(({ after }) => after))).toContain('"password":"[masked]"')
  } finally {
    await api.stop()
  }
})

async function placesOf({ database: { prisma }, log }: TestApi, answers: unknown[]) {
  return {
    answers,
    log,
    audit: await prisma.auditEvent.findMany(),
    changes: await prisma.configChange.findMany(),
    events: await prisma.webhookEvent.findMany(),
    snapshot: gunzipSync((await buildSnapshot(prisma)).body).toString(),
  }
}

function expectNowhere(places: Record<string, unknown>, secrets: string[]): void {
  for (const [place, content] of Object.entries(places)) {
    const text = JSON.stringify(content, (_, value: unknown) => {
      if (typeof value === 'bigint') return String(value)
      return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value
    })
    expect([place, secrets.filter((secret) => text.includes(secret))]).toEqual([place, []])
  }
}
