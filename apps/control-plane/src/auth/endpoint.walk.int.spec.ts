import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../api.fixture.ts'
import { registeredRoutes } from '../http.ts'
import { csrfToken, newSessionToken, tokenDigest } from './session.token.ts'

/**
 * Every route that the API has registered, whoever added it, is called by everybody. A new endpoint needs a line here only if
 * it is an exception to the rule: reading takes `admin:read`, everything else `admin:write`.
 */
const publicRoutes = new Set([
  'GET /healthz',
  'GET /readyz',
  'GET /openapi.json',
  'GET /docs',
  'GET /docs/:file',
  'POST /auth/login',
  'GET /auth/setup-required',
  'GET /api/config/schema',
])
const forSessionsOnly = new Set(['POST /auth/logout', 'POST /auth/password'])
const forMeters = new Set(['POST /api/v1/meter'])
/** What reads although it is no GET. */
const forReaders = new Set(['POST /api/explain'])

interface Route {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
}

/** What an answer says of the caller: not known, without the right, or admitted. */
type Verdict = 'unauthorized' | 'forbidden' | 'admitted'

let api: TestApi
const keys: Record<string, string> = {}
let ended: Record<string, string> = {}
beforeAll(async () => {
  api = await startTestApi()
  await api.create('users', { id: 'usr_admin', email: 'admin@example.com', role: 'admin' })
  const make = async (name: string, attributes: object): Promise<void> => {
    keys[name] = (await api.create('api-keys', attributes)).meta.key
  }
  await make('customer', { user_id: 'usr_admin' })
  await make('meter', { scopes: ['meter:write'] })
  await make('reader', { scopes: ['admin:read'] })
  await make('writer', { scopes: ['admin:write'] })
  ended = await newSession()
  await api.call('POST', '/auth/logout', undefined, { 'x-api-key': undefined, ...ended })
})
afterAll(() => api?.stop())

/** The same for both surfaces, and for HEAD and GET. */
const nameOf = ({ method, path }: Route): string =>
  `${method === 'HEAD' ? 'GET' : method} ${path.replace('/admin/', '/api/')}`
const isRead = ({ method }: Pick<Route, 'method'>): boolean => method === 'GET' || method === 'HEAD'

async function call({ method, path }: Route, headers: Record<string, string>): Promise<Verdict> {
  const url = path.replaceAll(/:\w+/g, 'nothing').replaceAll('*', 'nothing')
  const { statusCode, body } = await api.app.inject({
    method,
    url,
    headers,
    ...(isRead({ method }) ? {} : { payload: {} }),
  })
  expect(statusCode, `${method} ${url}`).not.toBe(500)
  const verdict = statusCode === 401 ? 'unauthorized' : statusCode === 403 ? 'forbidden' : 'admitted'
  const saysSo = verdict === 'admitted' || method === 'HEAD' || body.includes(`"code":"${verdict}"`)
  expect(saysSo, `${method} ${url}: ${body}`).toBe(true)
  return verdict
}

/** The headers of somebody who has just signed in: each its own, because one of the routes signs out. */
async function newSession(): Promise<{ cookie: string; 'x-csrf-token': string }> {
  const token = newSessionToken()
  await api.database.prisma.session.create({
    data: {
      ...{ id: `ses_${randomBytes(8).toString('hex')}`, userId: 'usr_admin', tokenDigest: tokenDigest(token) },
      expiresAt: new Date(Date.now() + 60_000),
    },
  })
  return { cookie: `apigate_session=${token}`, 'x-csrf-token': csrfToken(token) }
}

const key = (name: string) => (): Promise<Record<string, string>> => Promise.resolve({ 'x-api-key': keys[name] ?? '' })

const callers: [who: string, headers: () => Promise<Record<string, string>>, expected: (route: Route) => Verdict][] = [
  ['nobody', () => Promise.resolve({}), () => 'unauthorized'],
  ['a customer', key('customer'), () => 'forbidden'],
  ['a meter', key('meter'), (route) => (forMeters.has(nameOf(route)) ? 'admitted' : 'forbidden')],
  [
    'an admin:read key',
    key('reader'),
    (route) => (isRead(route) || forReaders.has(nameOf(route)) ? 'admitted' : 'forbidden'),
  ],
  ['an admin:write key', key('writer'), (route) => (forSessionsOnly.has(nameOf(route)) ? 'forbidden' : 'admitted')],
  ['somebody who has signed in', newSession, () => 'admitted'],
  [
    'another site, with the cookie of somebody who has signed in',
    async () => ({ cookie: (await newSession()).cookie, origin: 'https://elsewhere.example' }),
    (route) => (isRead(route) ? 'admitted' : 'forbidden'),
  ],
  ['somebody who has signed out', () => Promise.resolve(ended), () => 'unauthorized'],
]

describe('of all the endpoints', () => {
  test.each(callers)('%s is let in where the rule says, and nowhere else', async (_, headers, expected) => {
    const routes = allRoutes().filter((route) => !publicRoutes.has(nameOf(route)))
    const verdicts = await Promise.all(routes.map(async (route) => call(route, await headers())))
    const wrong = routes.flatMap((route, n) =>
      verdicts[n] === expected(route) ? [] : [`${route.method} ${route.path}: ${verdicts[n]}, not ${expected(route)}`],
    )
    expect(wrong).toEqual([])
    expect(routes.length).toBeGreaterThan(50)
  })

  test('those of the list are public, and no other', async () => {
    const verdicts = await Promise.all(
      allRoutes().map(async (route) => [nameOf(route), await call(route, {})] as const),
    )
    // A sign-in without a password is none, but that is looked at.
    const open = verdicts.filter(([, verdict]) => verdict === 'admitted').map(([name]) => name)
    expect(new Set(open)).toEqual(publicRoutes)
  })
})

function allRoutes(): Route[] {
  return registeredRoutes(api.app).flatMap(({ methods, path }) =>
    methods.map((method) => ({ method: method as Route['method'], path })),
  )
}
