import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { password, startSignInApi, stranger, type SignInApi } from '../../sign-in/sign-in.fixture.ts'

const origin = 'https://admin.example.com'

let api: SignInApi
beforeAll(async () => {
  api = await startSignInApi({ APIGATE_PUBLIC_URL: origin })
  await api.createAdmin('admin')
  await api.createAdmin('other')
})
afterAll(() => api?.stop())

describe('a session', () => {
  test('is who has signed in', async () => {
    const me = await api.signIn('admin@example.com')
    const { status, document } = await me.call('GET', '/auth/me?include=plan')
    expect(status).toBe(200)
    expect(document.data).toMatchObject({ type: 'users', id: 'usr_admin', attributes: { role: 'admin' } })
    expect(document.data.meta).toEqual({ session_id: me.id, csrf_token: me.csrf })
    expect(document.included).toMatchObject([{ type: 'plans' }])
  })

  test('writes as its user', async () => {
    const me = await api.signIn('admin@example.com')
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
    const { cookie } = await api.signIn('admin@example.com')
    const answer = await api.call('POST', '/api/plans', {}, { ...stranger, cookie, ...headers })
    expect(answer.status).toBe(status)
    expect(answer.document.errors[0].code).toBe(status === 403 ? 'forbidden' : 'validation_error')
    expect((await api.call('GET', '/api/plans', undefined, { ...stranger, cookie })).status).toBe(200)
  })

  test('writes with its CSRF token, not with that of another session', async () => {
    const [one, two] = [await api.signIn('admin@example.com'), await api.signIn('admin@example.com')]
    expect((await one.call('POST', '/api/plans', {})).status).toBe(422)
    expect((await one.call('POST', '/api/plans', {}, { 'x-csrf-token': two.csrf })).status).toBe(403)
  })

  test('gives way to a key that is sent, good or not', async () => {
    const me = await api.signIn('admin@example.com')
    const customer = (await api.create('api-keys', { user_id: 'usr_admin' })).meta.key
    expect((await me.call('GET', '/api/plans', undefined, { 'x-api-key': customer })).status).toBe(403)
    expect((await me.call('GET', '/api/plans', undefined, { authorization: 'Bearer x' })).status).toBe(401)
    const keyed = await api.call('POST', '/api/plans', {}, { cookie: me.cookie })
    expect(keyed.status).toBe(422)
    // What a proxy before us asks for is not ours.
    expect((await me.call('GET', '/api/plans', undefined, { authorization: 'Basic YTpi' })).status).toBe(200)
  })

  test('ends by signing out, at once and on the server', async () => {
    const me = await api.signIn('admin@example.com')
    const { status, headers } = await me.call('POST', '/auth/logout')
    expect(status).toBe(204)
    expect(String(headers['set-cookie'])).toMatch(/^apigate_session=; Max-Age=0; Path=\/; HttpOnly; SameSite=Lax$/)
    expect((await me.call('GET', '/auth/me')).status).toBe(401)
    expect((await me.call('POST', '/auth/logout')).status).toBe(401)
  })

  test('ends after seven days', async () => {
    const me = await api.signIn('admin@example.com')
    await api.database.prisma.session.update({ where: { id: me.id }, data: { expiresAt: new Date() } })
    expect((await me.call('GET', '/auth/me')).status).toBe(401)
    expect((await api.call('GET', `/api/sessions/${me.id}`)).status).toBe(404)
    const listed = await api.call('GET', `/api/sessions?filter[id]=${me.id}`)
    expect(listed.document.meta.total).toBe(0)
    await api.signIn('admin@example.com')
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
    const [mine, other] = [await api.signIn('admin@example.com'), await api.signIn('other@example.com')]
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
    const me = await api.signIn('admin@example.com')
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
    const session = await api.signIn(`${id}@example.com`)
    expect((await api.call('PATCH', `/api/users/${id}`, change)).status).toBe(200)
    expect((await session.call('GET', '/auth/me')).status).toBe(401)
    await api.call('PATCH', `/api/users/${id}`, { status: 'active', role: 'admin' })
    expect((await session.call('GET', '/auth/me')).status).toBe(401)
  })

  test('end with the user', async () => {
    await api.create('users', { id: 'usr_leaves', email: 'leaves@example.com', role: 'admin', password })
    const session = await api.signIn('leaves@example.com')
    expect((await api.call('DELETE', '/api/users/usr_leaves')).status).toBe(204)
    expect((await session.call('GET', '/auth/me')).status).toBe(401)
  })
})
