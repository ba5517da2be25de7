import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources, startTestApi, type ApiAnswer, type TestApi } from '../api.fixture.ts'
import { mediaType } from '../jsonapi/index.ts'

const password = 'correct horse battery staple'
const origin = 'https://admin.example.com'
const publicHost = { host: 'admin.example.com' }

let api: TestApi
beforeAll(async () => {
  api = await startTestApi({ APIGATE_TRUSTED_PROXIES: '127.0.0.1', APIGATE_PUBLIC_URL: origin })
  await api.create('users', { id: 'usr_admin', email: 'Admin@example.com', role: 'admin', password })
  await api.create('users', { id: 'usr_other', email: 'other@example.com', role: 'admin', password })
})
afterAll(() => api?.stop())

/** Somebody else each time, so that tests do not count against each other's bounds. */
let addresses = 0
const nextAddress = (): string => `198.51.100.${++addresses % 256}`

const stranger = { 'x-api-key': undefined }
const logIn = (body: unknown, headers: Record<string, string | undefined> = {}): Promise<ApiAnswer> =>
  api.call('POST', '/auth/login', body, { ...stranger, 'x-forwarded-for': nextAddress(), ...headers })

interface SignedIn {
  id: string
  cookie: string
  csrf: string
  call(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, body?: unknown, headers?: object): Promise<ApiAnswer>
}

async function signIn(email = 'admin@example.com', secret = password): Promise<SignedIn> {
  const { status, headers, document } = await logIn({ email, password: secret })
  if (status !== 201) throw new Error(`${status} ${JSON.stringify(document)}`)
  const cookie = cookieOf(headers)
  const csrf: string = document.data.meta.csrf_token
  return {
    ...{ id: document.data.id, cookie, csrf },
    call: (method, url, body, more = {}) =>
      api.call(method, url, body, { ...stranger, cookie, 'x-csrf-token': csrf, ...more }),
  }
}

const cookieOf = (headers: ApiAnswer['headers']): string => String(headers['set-cookie']).split(';', 1)[0] ?? ''

describe('signing in', () => {
  test('answers with a session and its cookie, whatever the case of the address', async () => {
    const address = nextAddress()
    const more = { 'x-forwarded-for': address, 'user-agent': 'a browser' }
    const { status, headers, document } = await logIn({ email: 'ADMIN@example.com', password }, more)
    expect([status, headers['content-type']]).toEqual([201, mediaType])
    expect(headers['location']).toBe(`/api/sessions/${document.data.id}`)
    expect(document.data).toMatchObject({ type: 'sessions', attributes: { address, user_agent: 'a browser' } })
    expect(document.data.relationships.user.data).toEqual({ type: 'users', id: 'usr_admin' })
    const { created_at, expires_at } = document.data.attributes
    expect(Math.round((Date.parse(expires_at) - Date.parse(created_at)) / 1_000)).toBe(604_800)
    expect(String(headers['set-cookie'])).toMatch(
      /^apigate_session=[\w-]{43}; Max-Age=604800; Path=\/; HttpOnly; SameSite=Lax$/,
    )
  })

  test('stores no token, only its SHA-256', async () => {
    const { id, cookie } = await signIn()
    const row = await api.database.prisma.session.findUniqueOrThrow({ where: { id } })
    const text = JSON.stringify(row, (_, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
    )
    expect(text).not.toContain(cookie.split('=')[1])
  })

  test('takes a document as well', async () => {
    const attributes = { email: 'admin@example.com', password }
    expect((await logIn({ data: { type: 'sessions', attributes } })).status).toBe(201)
    expect((await logIn({ data: { type: 'users', attributes } })).status).toBe(409)
    expect((await logIn({ data: { type: 'sessions', id: 'ses_mine', attributes } })).status).toBe(403)
  })

  test.each([
    ['over https by a balancer that is trusted', { 'x-forwarded-proto': 'https' }, true],
    ['at the address of APIGATE_PUBLIC_URL', publicHost, true],
    ['over http', {}, false],
  ])('%s: is the cookie for https only?', async (_, headers, secure) => {
    const answer = await logIn({ email: 'admin@example.com', password }, headers)
    expect(String(answer.headers['set-cookie']).includes('; Secure')).toBe(secure)
  })

  test('another site cannot sign a browser in', async () => {
    const good = { email: 'admin@example.com', password }
    expect((await logIn(good, { origin: 'https://evil.example' })).status).toBe(403)
    expect((await logIn(good, { origin: 'null' })).status).toBe(403)
    expect((await logIn(good, { origin })).status).toBe(201)
    expect((await logIn(good, { origin: 'http://localhost', host: 'localhost:80' })).status).toBe(201)
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    expect((await logIn('email=admin@example.com', form)).status).toBe(415)
    expect((await logIn(JSON.stringify(good), { 'content-type': 'text/plain' })).status).toBe(415)
  })

  test('ends the session that the browser had', async () => {
    const before = await signIn()
    expect((await logIn({ email: 'admin@example.com', password }, { cookie: before.cookie })).status).toBe(201)
    expect((await before.call('GET', '/auth/me')).status).toBe(401)
  })

  test('nothing tells why it is refused', async () => {
    await api.create('users', { email: 'customer@example.com' })
    await api.create('users', { id: 'usr_nopass', email: 'nopass@example.com', role: 'admin' })
    await api.create('users', { email: 'off@example.com', role: 'admin', password, status: 'suspended' })
    const answers: unknown[] = []
    for (const [email, given] of [
      ['admin@example.com', `${password}!`],
      ['nobody@example.com', password],
      ['customer@example.com', password],
      ['nopass@example.com', password],
      ['nopass@example.com', ''],
      ['off@example.com', password],
      ["' OR 1=1 --", password],
      ['%', password],
    ]) {
      const { status, headers, document } = await logIn({ email, password: given })
      expect([status, headers['set-cookie']]).toEqual([401, undefined])
      expect(headers['www-authenticate']).toMatch(/^Bearer /)
      answers.push(document)
    }
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
  })

  test.each([
    [{}, ['', '']],
    [{ email: 'admin@example.com' }, ['']],
    [{ email: 7, password: ['x'] }, ['/email', '/password']],
    [{ email: 'admin@example.com', password: 'x'.repeat(257) }, ['/password']],
    [{ email: 'admin@example.com', password, remember: true }, ['/remember']],
  ])('%# is refused with 422 where it is wrong', async (body, pointers) => {
    const answer = await logIn(body)
    expect([answer.status, sources(answer)]).toEqual([422, pointers.map((pointer) => ({ pointer }))])
    expect(JSON.stringify(answer.document)).not.toContain('xxxx')
  })

  test('renews a hash that was made at another cost', async () => {
    await api.create('users', { id: 'usr_old', email: 'old@example.com', role: 'admin', password })
    // Of "correct horse battery staple" and a salt of 16 zero bytes, with 64 KiB and one pass.
    const hash = '$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$Rtz0Oc8TPPRR1iXs8gNFwcPZt2nkCHO2CzE9HhX7738'
    await api.database.prisma.user.update({ where: { id: 'usr_old' }, data: { passwordHash: hash } })
    await signIn('old@example.com')
    const { passwordHash } = await api.database.prisma.user.findUniqueOrThrow({ where: { id: 'usr_old' } })
    expect(passwordHash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    await signIn('old@example.com')
  })
})

describe('a session', () => {
  test('is who has signed in', async () => {
    const me = await signIn()
    const { status, document } = await me.call('GET', '/auth/me?include=plan')
    expect(status).toBe(200)
    expect(document.data).toMatchObject({ type: 'users', id: 'usr_admin', attributes: { role: 'admin' } })
    expect(document.data.meta).toEqual({ session_id: me.id, csrf_token: me.csrf })
    expect(document.included).toMatchObject([{ type: 'plans' }])
  })

  test('writes as its user', async () => {
    const me = await signIn()
    const { status } = await me.call('POST', '/api/plans', { id: 'plan_mine', name: 'mine' })
    expect(status).toBe(201)
    const audit = await api.database.prisma.auditEvent.findFirstOrThrow({ where: { targetId: 'plan_mine' } })
    expect(audit).toMatchObject({ actorType: 'user', actorId: 'usr_admin', action: 'plans.create' })
    const { actorType, actorId } = await api.database.prisma.configChange.findFirstOrThrow({
      orderBy: { revision: 'desc' },
    })
    expect([actorType, actorId]).toEqual(['user', 'usr_admin'])
  })

  test.each([
    ['nothing', {}, 403],
    ['a wrong token', { 'x-csrf-token': randomBytes(32).toString('base64url') }, 403],
    ['another Origin', { origin: 'https://evil.example' }, 403],
    ['a subdomain’s Origin', { origin: 'https://x.admin.example.com' }, 403],
    ['the Origin of http', { origin: 'http://admin.example.com' }, 403],
    ['the Origin null', { origin: 'null' }, 403],
    ['its own Origin', { origin: 'http://localhost', host: 'localhost' }, 422],
    [
      'its own Origin behind a balancer',
      { origin, 'x-forwarded-proto': 'https', 'x-forwarded-host': 'admin.example.com' },
      422,
    ],
    ['the Origin of APIGATE_PUBLIC_URL', { origin }, 422],
  ])('does not write without a sign that our own page asks: with %s it is %s', async (_, headers, status) => {
    const { cookie } = await signIn()
    const answer = await api.call('POST', '/api/plans', {}, { ...stranger, cookie, ...headers })
    expect(answer.status).toBe(status)
    expect(answer.document.errors[0].code).toBe(status === 403 ? 'forbidden' : 'validation_error')
    expect((await api.call('GET', '/api/plans', undefined, { ...stranger, cookie })).status).toBe(200)
  })

  test('writes with its CSRF token, not with that of another session', async () => {
    const [one, two] = [await signIn(), await signIn()]
    expect((await one.call('POST', '/api/plans', {})).status).toBe(422)
    expect((await one.call('POST', '/api/plans', {}, { 'x-csrf-token': two.csrf })).status).toBe(403)
  })

  test('gives way to a key that is sent, good or not', async () => {
    const me = await signIn()
    const customer = (await api.create('api-keys', { user_id: 'usr_admin' })).meta.key
    expect((await me.call('GET', '/api/plans', undefined, { 'x-api-key': customer })).status).toBe(403)
    expect((await me.call('GET', '/api/plans', undefined, { authorization: 'Bearer x' })).status).toBe(401)
    const keyed = await api.call('POST', '/api/plans', {}, { cookie: me.cookie })
    expect(keyed.status).toBe(422)
    // What a proxy before us asks for is not ours.
    expect((await me.call('GET', '/api/plans', undefined, { authorization: 'Basic YTpi' })).status).toBe(200)
  })

  test('ends by signing out, at once and on the server', async () => {
    const me = await signIn()
    const { status, headers } = await me.call('POST', '/auth/logout')
    expect(status).toBe(204)
    expect(String(headers['set-cookie'])).toMatch(/^apigate_session=; Max-Age=0; Path=\/; HttpOnly; SameSite=Lax$/)
    expect((await me.call('GET', '/auth/me')).status).toBe(401)
    expect((await me.call('POST', '/auth/logout')).status).toBe(401)
  })

  test('ends after seven days', async () => {
    const me = await signIn()
    await api.database.prisma.session.update({ where: { id: me.id }, data: { expiresAt: new Date() } })
    expect((await me.call('GET', '/auth/me')).status).toBe(401)
    expect((await api.call('GET', `/api/sessions/${me.id}`)).status).toBe(404)
    const listed = await api.call('GET', `/api/sessions?filter[id]=${me.id}`)
    expect(listed.document.meta.total).toBe(0)
    await signIn()
    expect(await api.database.prisma.session.findUnique({ where: { id: me.id } })).toBeNull()
  })

  test.each([
    '',
    'x',
    'apigate_session',
    'apigate_session=',
    `apigate_session=${'A'.repeat(43)}`,
    'apigate_session=%00',
  ])('is not had with the cookie %j', async (cookie) => {
    expect((await api.call('GET', '/auth/me', undefined, { ...stranger, cookie })).status).toBe(401)
  })

  test('is listed and ended by any admin', async () => {
    const [mine, other] = [await signIn(), await signIn('other@example.com')]
    const { document } = await mine.call('GET', '/api/sessions?filter[user]=usr_other&include=user')
    expect(document.data).toMatchObject([{ type: 'sessions', id: other.id }])
    expect(document.included).toMatchObject([{ type: 'users', id: 'usr_other' }])
    expect(JSON.stringify(document)).not.toMatch(/digest|argon2|csrf/i)
    expect((await mine.call('DELETE', `/api/sessions/${other.id}`)).status).toBe(204)
    expect((await mine.call('DELETE', `/api/sessions/${other.id}`)).status).toBe(404)
    expect((await other.call('GET', '/auth/me')).status).toBe(401)
    expect((await api.call('GET', `/api/sessions/${mine.id}/user`)).document.data.id).toBe('usr_admin')
  })

  test('notes when it was last seen, at most once a minute', async () => {
    const me = await signIn()
    const seen = async () =>
      (await api.database.prisma.session.findUniqueOrThrow({ where: { id: me.id } })).lastSeenAt.getTime()
    const first = await seen()
    await me.call('GET', '/auth/me')
    expect(await seen()).toBe(first)
    await api.database.prisma.session.update({ where: { id: me.id }, data: { lastSeenAt: new Date(first - 61_000) } })
    await me.call('GET', '/auth/me')
    expect(await seen()).toBeGreaterThanOrEqual(first)
  })
})

describe('the sessions of a user', () => {
  test.each([
    ['is suspended', { status: 'suspended' }],
    ['is cancelled', { status: 'cancelled' }],
    ['is a customer again', { role: 'customer' }],
    ['gets another password', { password: 'another password' }],
    ['loses the password', { password: null }],
  ])('end at once when the user %s, and do not come back', async (_, change) => {
    const id = `usr_${randomBytes(4).toString('hex')}`
    await api.create('users', { id, email: `${id}@example.com`, role: 'admin', password })
    const session = await signIn(`${id}@example.com`)
    expect((await api.call('PATCH', `/api/users/${id}`, change)).status).toBe(200)
    expect((await session.call('GET', '/auth/me')).status).toBe(401)
    await api.call('PATCH', `/api/users/${id}`, { status: 'active', role: 'admin' })
    expect((await session.call('GET', '/auth/me')).status).toBe(401)
  })

  test('end with the user', async () => {
    await api.create('users', { id: 'usr_leaves', email: 'leaves@example.com', role: 'admin', password })
    const session = await signIn('leaves@example.com')
    expect((await api.call('DELETE', '/api/users/usr_leaves')).status).toBe(204)
    expect((await session.call('GET', '/auth/me')).status).toBe(401)
  })
})

describe('changing a password', () => {
  test('takes the current one, and ends every other session', async () => {
    await api.create('users', { email: 'change@example.com', role: 'admin', password })
    const [me, other] = [await signIn('change@example.com'), await signIn('change@example.com')]
    const wrong = await me.call('POST', '/auth/password', { current_password: 'no', new_password: 'a new password' })
    expect([wrong.status, sources(wrong)]).toEqual([422, [{ pointer: '/current_password' }]])
    const short = await me.call('POST', '/auth/password', { current_password: password, new_password: 'short' })
    expect([short.status, sources(short)]).toEqual([422, [{ pointer: '/new_password' }]])
    expect((await other.call('GET', '/auth/me')).status).toBe(200)

    const changed = await me.call('POST', '/auth/password', {
      current_password: password,
      new_password: 'a new password',
    })
    expect(changed.status).toBe(204)
    expect((await me.call('GET', '/auth/me')).status).toBe(200)
    expect((await other.call('GET', '/auth/me')).status).toBe(401)
    expect((await logIn({ email: 'change@example.com', password })).status).toBe(401)
    await signIn('change@example.com', 'a new password')
  })

  test('a password is the same however it was composed', async () => {
    await api.create('users', {
      email: 'nfc@example.com',
      role: 'admin',
      password: 'pässwörter und mehr'.normalize('NFC'),
    })
    const { cookie } = await signIn('nfc@example.com', 'pässwörter und mehr'.normalize('NFD'))
    expect(cookie).not.toBe('')
  })
})

describe('who calls with a key', () => {
  test('is that key', async () => {
    const { status, document } = await api.call('GET', '/auth/me')
    expect([status, document.data.type, document.data.attributes.name]).toEqual([200, 'api_keys', 'APIGATE_ADMIN_KEY'])
  })

  test('has no session to end and no password to change', async () => {
    expect((await api.call('POST', '/auth/logout')).status).toBe(403)
    expect((await api.call('POST', '/auth/password', {})).status).toBe(403)
  })
})

test('the audit trail has who signed in, signed out and changed a password, and from where', async () => {
  await api.create('users', { id: 'usr_trail', email: 'trail@example.com', role: 'admin', password })
  const me = await signIn('trail@example.com')
  await me.call('POST', '/auth/password', { current_password: password, new_password: 'a new password' })
  await me.call('POST', '/auth/logout')
  const rows = await api.database.prisma.auditEvent.findMany({
    where: { actorId: 'usr_trail' },
    orderBy: { id: 'asc' },
  })
  expect(rows.map(({ action, targetId }) => [action, targetId])).toEqual([
    ['sessions.create', me.id],
    ['users.update', 'usr_trail'],
    ['users.set_password', 'usr_trail'],
    ['sessions.delete', me.id],
  ])
  expect(rows[0]?.address).toMatch(/^198\.51\.100\./)
})
