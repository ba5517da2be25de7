import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources } from '../api.fixture.ts'
import { mediaType } from '../jsonapi/index.ts'
import { password, startSignInApi, type SignInApi } from './sign-in.fixture.ts'

const origin = 'https://admin.example.com'

let api: SignInApi
beforeAll(async () => {
  api = await startSignInApi({ APIGATE_PUBLIC_URL: origin })
  await api.createAdmin('admin')
})
afterAll(() => api?.stop())

describe('signing in', () => {
  test('answers with a session and its cookie, whatever the case of the address', async () => {
    const address = '192.0.2.7'
    const more = { 'x-forwarded-for': address, 'user-agent': 'a browser' }
    const { status, headers, document } = await api.logIn({ email: 'ADMIN@example.com', password }, more)
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
    const { id, cookie } = await api.signIn('admin@example.com')
    const row = await api.database.prisma.session.findUniqueOrThrow({ where: { id } })
    const text = JSON.stringify(row, (_, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
    )
    expect(text).not.toContain(cookie.split('=')[1])
  })

  test('takes a document as well', async () => {
    const attributes = { email: 'admin@example.com', password }
    expect((await api.logIn({ data: { type: 'sessions', attributes } })).status).toBe(201)
    expect((await api.logIn({ data: { type: 'users', attributes } })).status).toBe(409)
    expect((await api.logIn({ data: { type: 'sessions', id: 'ses_mine', attributes } })).status).toBe(403)
  })

  test.each([
    ['over https by a balancer that is trusted', { 'x-forwarded-proto': 'https' }, true],
    ['at the address of APIGATE_PUBLIC_URL', { host: 'admin.example.com' }, true],
    ['over http', {}, false],
  ])('%s: is the cookie for https only?', async (_, headers, secure) => {
    const answer = await api.logIn({ email: 'admin@example.com', password }, headers)
    expect(String(answer.headers['set-cookie']).includes('; Secure')).toBe(secure)
  })

  test('another site cannot sign a browser in', async () => {
    const good = { email: 'admin@example.com', password }
    expect((await api.logIn(good, { origin: 'https://evil.example' })).status).toBe(403)
    expect((await api.logIn(good, { origin: 'null' })).status).toBe(403)
    expect((await api.logIn(good, { origin })).status).toBe(201)
    expect((await api.logIn(good, { origin: 'http://localhost', host: 'localhost:80' })).status).toBe(201)
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    expect((await api.logIn('email=admin@example.com', form)).status).toBe(415)
    expect((await api.logIn(JSON.stringify(good), { 'content-type': 'text/plain' })).status).toBe(415)
  })

  test('ends the session that the browser had', async () => {
    const before = await api.signIn('admin@example.com')
    expect((await api.logIn({ email: 'admin@example.com', password }, { cookie: before.cookie })).status).toBe(201)
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
      const { status, headers, document } = await api.logIn({ email, password: given })
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
    const answer = await api.logIn(body)
    expect([answer.status, sources(answer)]).toEqual([422, pointers.map((pointer) => ({ pointer }))])
    expect(JSON.stringify(answer.document)).not.toContain('xxxx')
  })

  test('reads no more of a stranger than it takes', async () => {
    const body = { email: 'admin@example.com', password }
    expect((await api.logIn(JSON.stringify(body).padEnd(16_384), { 'content-type': mediaType })).status).toBe(201)
    expect((await api.logIn(JSON.stringify(body).padEnd(16_385), { 'content-type': mediaType })).status).toBe(413)
  })

  test('renews a hash that was made at another cost', async () => {
    await api.createAdmin('old')
    // Of "correct horse battery staple" and a salt of 16 zero bytes, with 64 KiB and one pass.
    const hash = '$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$Rtz0Oc8TPPRR1iXs8gNFwcPZt2nkCHO2CzE9HhX7738'
    await api.database.prisma.user.update({ where: { id: 'usr_old' }, data: { passwordHash: hash } })
    await api.signIn('old@example.com')
    const { passwordHash } = await api.database.prisma.user.findUniqueOrThrow({ where: { id: 'usr_old' } })
    expect(passwordHash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    await api.signIn('old@example.com')
  })
})

describe('changing a password', () => {
  test('takes the current one, and ends every other session', async () => {
    await api.create('users', { email: 'change@example.com', role: 'admin', password })
    const [me, other] = [await api.signIn('change@example.com'), await api.signIn('change@example.com')]
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
    expect((await api.logIn({ email: 'change@example.com', password })).status).toBe(401)
    await api.signIn('change@example.com', 'a new password')
  })

  test('a password is the same however it was composed', async () => {
    await api.create('users', {
      email: 'nfc@example.com',
      role: 'admin',
      password: 'pässwörter und mehr'.normalize('NFC'),
    })
    const { cookie } = await api.signIn('nfc@example.com', 'pässwörter und mehr'.normalize('NFD'))
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
  const me = await api.signIn('trail@example.com')
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
  expect(rows[0]?.address).toMatch(/^198\.51\.0\.\d+$/)
})

test('the commands of docs/admin-api.md do what it says when pasted', async () => {
  const page = readFileSync(path.resolve(import.meta.dirname, '../../../../docs/admin-api.md'), 'utf8')
  const section = /## Signing in\n(.*?)\n## /s.exec(page)?.[1] ?? ''
  const blocks = [...section.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block ?? '')
  await api.app.listen(0, '127.0.0.1')
  const { port } = api.app.getHttpServer().address() as AddressInfo
  const folder = mkdtempSync(path.join(os.tmpdir(), 'apigate-docs-'))
  try {
    const commands = blocks
      .join('')
      .replaceAll('localhost:8080', `127.0.0.1:${port}`)
      .replaceAll(/^curl /gm, 'curl -sS -w "\\n%{http_code}\\n" ')
    const script = `APIGATE_ADMIN_KEY=${api.adminKey}\n${commands}`
    const { stdout } = await promisify(execFile)('bash', ['-c', script], { cwd: folder })
    expect(stdout.match(/^\d{3}$/gm)).toEqual(['201', '201', '200', '204', '204'])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
