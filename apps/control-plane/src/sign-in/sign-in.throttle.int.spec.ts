import { createLogger } from '@apigate/platform'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApiApp } from '../api.app.ts'
import { password, startSignInApi, type SignInApi } from './sign-in.fixture.ts'
import { subjectOf, type Bound } from './sign-in.subject.ts'

let api: SignInApi
beforeAll(async () => {
  api = await startSignInApi()
})
afterAll(() => api?.stop())

const from = (address: string) => ({ 'x-forwarded-for': address })
const statusOf = async (email: string, secret: string, address: string): Promise<number> =>
  (await api.logIn({ email, password: secret }, from(address))).status

/** How many attempts count against a bound. */
async function counted(bound: Bound, email: string, address: string): Promise<number | undefined> {
  const subject = subjectOf(bound, { email, address })
  return (await api.database.prisma.signInCount.findUnique({ where: { subject } }))?.attempts
}

async function setCount(bound: Bound, email: string, address: string, attempts: number): Promise<void> {
  const subject = subjectOf(bound, { email, address })
  const count = { attempts, resetsAt: new Date(Date.now() + 60_000) }
  await api.database.prisma.signInCount.upsert({ where: { subject }, create: { subject, ...count }, update: count })
}

const throttleRows = (where: object = {}) =>
  api.database.prisma.auditEvent.findMany({ where: { action: 'sessions.throttle', ...where } })

test('many guesses at once, at two replicas, are ten; then the right password is no better, but elsewhere it is', async () => {
  const { id, email } = await api.createAdmin('guessed')
  const replica = await createApiApp(api.config, createLogger({ name: 'api', level: 'silent' }))
  try {
    const guess = async (app: { inject: typeof replica.inject }): Promise<number> => {
      const payload = { email: 'GUESSED@example.com', password: 'a wrong password' }
      return (await app.inject({ method: 'POST', url: '/auth/login', headers: from('203.0.113.1'), payload }))
        .statusCode
    }
    const statuses = await Promise.all(Array.from({ length: 24 }, (_, n) => guess(n % 2 === 0 ? replica : api.app)))
    const count = (status: number): number => statuses.filter((one) => one === status).length
    expect([count(401), count(429)]).toEqual([10, 14])
  } finally {
    await replica.close()
  }
  const { status, headers, document } = await api.logIn({ email, password }, from('203.0.113.1'))
  expect([status, document.errors[0].code]).toEqual([429, 'rate_limit_exceeded'])
  expect(Number(headers['retry-after'])).toBeGreaterThan(0)
  expect(Number(headers['retry-after'])).toBeLessThanOrEqual(900)
  expect(await statusOf(email, password, '203.0.113.2')).toBe(201)
  expect(await throttleRows({ targetId: id })).toMatchObject([
    { actorType: 'system', targetType: 'users', address: '203.0.113.1', after: { bound: 'account_from_address' } },
  ])
})

test('an account that is not there is refused in the same way', async () => {
  await setCount('account_from_address', 'nobody@example.com', '203.0.113.3', 10)
  await setCount('account_from_address', 'guessed@example.com', '203.0.113.3', 10)
  const [one, other] = await Promise.all(
    ['nobody@example.com', 'guessed@example.com'].map((email) => api.logIn({ email, password }, from('203.0.113.3'))),
  )
  expect([one?.status, one?.document]).toEqual([429, other?.document])
  expect(await throttleRows({ targetId: '' })).toHaveLength(1)
})

test('an address gets no further with other accounts, nor do its neighbours of an IPv6 network', async () => {
  await setCount('address', '', '2001:db8:0:1::1', 50)
  const { email } = await api.createAdmin('addressed')
  expect(await statusOf(email, password, '2001:db8:0:1:ffff::9')).toBe(429)
  expect(await statusOf(email, password, '2001:db8:0:2::1')).toBe(201)
  // It did not get as far as being counted for the account.
  expect(await counted('account', email, '')).toBe(0)
})

test('an account that is guessed from everywhere is closed for a while, but not to keys', async () => {
  const { email } = await api.createAdmin('everywhere')
  await setCount('account', email, '', 199)
  expect(await statusOf(email, 'a wrong password', '203.0.113.10')).toBe(401)
  expect(await statusOf(email, password, '203.0.113.11')).toBe(429)
  expect((await api.call('GET', '/api/users/usr_everywhere')).status).toBe(200)
})

test('the right password takes back what it cost, and only that for others than the account here', async () => {
  const { email } = await api.createAdmin('forgetful')
  const address = '203.0.113.20'
  for (let n = 0; n < 3; n++) expect(await statusOf(email, 'a wrong password', address)).toBe(401)
  expect(await statusOf(email, password, address)).toBe(201)
  expect(await counted('account_from_address', email, address)).toBeUndefined()
  expect(await counted('account', email, address)).toBe(3)
  expect(await counted('address', email, address)).toBe(3)
})

test('when the time is over it begins anew, and what is over is deleted', async () => {
  const { email } = await api.createAdmin('patient')
  const address = '203.0.113.30'
  await setCount('account_from_address', email, address, 10)
  expect(await statusOf(email, password, address)).toBe(429)
  await api.database.pool.query('UPDATE sign_in_counts SET resets_at = now()')
  expect(await statusOf(email, password, address)).toBe(201)
  for (let n = 0; n < 5; n++) await statusOf(email, password, address)
  const over = await api.database.prisma.signInCount.count({ where: { resetsAt: { lte: new Date() } } })
  expect(over).toBe(0)
})

test('guessing the current password in a session that was left open is bounded, too', async () => {
  const { email } = await api.createAdmin('open')
  const session = await api.signIn(email)
  const change = { current_password: 'a wrong password', new_password: 'another password' }
  for (let n = 0; n < 10; n++) expect((await session.call('POST', '/auth/password', change)).status).toBe(422)
  const right = await session.call('POST', '/auth/password', { ...change, current_password: password })
  expect(right.status).toBe(429)
})
