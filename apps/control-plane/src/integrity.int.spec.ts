import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startTestApi, type TestApi } from './api.fixture.ts'
import { expectConsistency } from './consistency.fixture.ts'
import { mediaType } from './jsonapi/index.ts'

/** Writes that get in each other's way, all at once, over real sockets: as many as this at a time. */
const burst = 200

let api: TestApi
let origin: string
beforeAll(async () => {
  api = await startTestApi()
  await api.app.listen(0, '127.0.0.1')
  origin = await api.app.getUrl()
  for (const [id, email] of people) await api.create('users', { id, email })
  await api.create('upstreams', { id: 'ups_stays', name: 'stays', base_url: 'http://127.0.0.1:9000' })
})
afterEach(() => expectConsistency(api.database))
afterAll(() => api?.stop())

const people = Array.from({ length: 10 }, (_, n) => [`usr_${n}`, `${n}@example.com`] as const)

type Write = readonly [method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: object]
/** A collection, and what is made in it. */
type Made = readonly [collection: string, attributes: object]
interface Answered {
  status: number
  type: string | null
  errors: { status: string; code: string; detail?: string }[]
}

/** Sends all of them before any is answered. Whoever loses is told so: nothing is 5xx. */
async function fire(writes: readonly Write[]): Promise<Answered[]> {
  const answers = await Promise.all(
    writes.map(async ([method, path, body]): Promise<Answered> => {
      const response = await fetch(`${origin}/api/${path}`, {
        method,
        headers: { 'x-api-key': api.adminKey, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      })
      const type = response.headers.get('content-type')
      const text = await response.text()
      const { errors = [] } = text === '' ? {} : (JSON.parse(text) as Partial<Answered>)
      return { status: response.status, type, errors }
    }),
  )
  expect(answers.filter(({ status }) => status >= 500)).toEqual([])
  expect(answers.filter(({ status, type }) => type !== (status === 204 ? null : mediaType))).toEqual([])
  const refused = answers.filter(({ status }) => status >= 400)
  expect(refused.filter(({ errors }) => errors.length === 0)).toEqual([])
  for (const { status, errors } of refused)
    expect(new Set(errors.map((error) => error.status))).toEqual(new Set([String(status)]))
  return answers
}

const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n))
/** How many of the answers have each status. */
const tally = (answers: readonly Answered[]): Record<number, number> =>
  Object.fromEntries(
    Object.entries(Object.groupBy(answers, ({ status }) => status)).map(([status, all]) => [status, all?.length]),
  ) as Record<number, number>
const statuses = (answers: readonly Answered[]): number[] => Object.keys(tally(answers)).map(Number)

describe('what only one may have', () => {
  test('an address: one user gets it, whatever its case', async () => {
    const answers = await fire(times(burst, (n) => ['POST', 'users', { email: n % 2 ? 'One@x.org' : 'oNE@X.org' }]))
    expect(tally(answers)).toEqual({ 201: 1, 409: burst - 1 })
  })

  test('a slug: one group gets it, and the groups that leave it to us get one each', async () => {
    const made = await fire(
      times(burst, (n) => ['POST', 'groups', { name: 'Same', owner_id: 'usr_0', ...(n % 2 && { slug: 'mine' }) }]),
    )
    expect(tally(made)).toEqual({ 201: burst / 2 + 1, 409: burst / 2 - 1 })
    const groups = await api.database.prisma.group.findMany({ select: { slug: true } })
    expect(new Set(groups.map(({ slug }) => slug)).size).toBe(burst / 2 + 1)
  })

  test('an id of the client: one gets it', async () => {
    const answers = await fire(times(burst, (n) => ['POST', 'plans', { id: 'plan_same', name: `same ${n}` }]))
    expect(tally(answers)).toEqual({ 201: 1, 409: burst - 1 })
  })

  test('the place of a member: a user is in a group once', async () => {
    await api.create('groups', { id: 'grp_once', name: 'once', owner_id: 'usr_0' })
    const answers = await fire(times(burst, () => ['POST', 'groups/grp_once/members', { user_id: 'usr_1' }]))
    expect(tally(answers)).toEqual({ 201: 1, 409: burst - 1 })
  })

  test('the succession of a key: it is rotated once', async () => {
    await api.create('api-keys', { id: 'key_once', user_id: 'usr_0' })
    const answers = await fire(
      times(burst, (n) => ['POST', 'api-keys/key_once/rotate', n % 2 ? { overlap_seconds: 60 } : undefined]),
    )
    expect(tally(answers)).toEqual({ 201: 1, 409: burst - 1 })
    expect(await api.database.prisma.apiKey.count({ where: { rotatedFromId: 'key_once' } })).toBe(1)
  })
})

test('the default plan: many are made it, users and groups come to it meanwhile, and one is it', async () => {
  await Promise.all(times(5, (n) => api.create('plans', { id: `plan_d${n}`, name: `d ${n}` })))
  const answers = await fire(
    times(burst, (n): Write => {
      if (n % 4 === 0) return ['PATCH', `plans/plan_d${n % 5}`, { is_default: true }]
      if (n % 4 === 1) return ['POST', 'plans', { name: `new ${n}`, is_default: true }]
      if (n % 4 === 2) return ['POST', 'users', { email: `default${n}@example.com` }]
      return ['POST', 'groups', { name: `default ${n}`, owner_id: 'usr_2' }]
    }),
  )
  expect(tally(answers)).toEqual({ 200: burst / 4, 201: (burst * 3) / 4 })
})

test('the default plan: the former one is deleted as soon as it can be, and nobody is put on a plan that is gone', async () => {
  await Promise.all(times(10, (n) => api.create('plans', { id: `plan_f${n}`, name: `f ${n}` })))
  const answers = await fire(
    times(burst, (n): Write => {
      if (n % 4 === 0) return ['PATCH', `plans/plan_f${(n / 4) % 10}`, { is_default: true }]
      if (n % 4 === 1) return ['DELETE', `plans/plan_f${((n - 1) / 4) % 10}`]
      return ['POST', 'users', { email: `former${n}@example.com` }]
    }),
  )
  expect(answers.filter((_, n) => n % 4 > 1).map(({ status }) => status)).toEqual(times(burst / 2, () => 201))
})

test.each([
  [
    'a plan is deleted and assigned',
    (n: number) => ['DELETE', `plans/plan_g${n}`] as const,
    (n: number, k: number): Write =>
      k % 2 ? ['PATCH', `users/usr_${k % 10}`, { plan_id: `plan_g${n}` }] : newUser(n, k, `plan_g${n}`),
    [200, 201, 204, 404, 409],
    (n: number): Made => ['plans', { id: `plan_g${n}`, name: `g ${n}` }],
  ],
  [
    'an upstream is deleted and a route leads to it',
    (n: number) => ['DELETE', `upstreams/ups_g${n}`] as const,
    (n: number, k: number): Write => [
      'POST',
      'routes',
      { name: 'r', path_pattern: `/${n}/${k}`, upstream_id: `ups_g${n}` },
    ],
    [201, 204, 404, 409],
    (n: number): Made => ['upstreams', { id: `ups_g${n}`, name: 'g', base_url: 'http://127.0.0.1:9000' }],
  ],
])('%s: what is done is done whole', async (_, remove, use, allowed, thing) => {
  const made = times(10, thing)
  await Promise.all(made.map(([collection, attributes]) => api.create(collection, attributes)))
  const answers = await fire(times(burst, (k): Write => (k % 20 < 10 ? use(k % 10, k) : remove(k % 10))))
  expect(allowed).toEqual(expect.arrayContaining(statuses(answers)))
})

function newUser(n: number, k: number, plan: string): Write {
  return ['POST', 'users', { email: `g${n}.${k}@example.com`, plan_id: plan }]
}

test('a user is deleted while keys, groups and memberships are made for that user', async () => {
  await Promise.all(times(10, (n) => api.create('users', { id: `usr_x${n}`, email: `x${n}@example.com` })))
  await api.create('groups', { id: 'grp_x', name: 'x', owner_id: 'usr_3' })
  const answers = await fire(
    times(burst, (k): Write => {
      const user = `usr_x${k % 10}`
      return (
        [
          ['POST', 'api-keys', { user_id: user }],
          ['POST', 'groups', { name: user, owner_id: user }],
          ['POST', 'groups/grp_x/members', { user_id: user, role: k % 3 ? 'admin' : 'owner' }],
          ['PATCH', `users/${user}`, { name: 'renamed' }],
          ['DELETE', `users/${user}`],
        ] as const
      )[Math.floor(k / 10) % 5] as Write
    }),
  )
  expect([200, 201, 204, 404, 409]).toEqual(expect.arrayContaining(statuses(answers)))
})

test('a group is handed around, left, suspended and deleted at once', async () => {
  await Promise.all(times(4, (n) => api.create('groups', { id: `grp_h${n}`, name: 'h', owner_id: `usr_${n}` })))
  const members = await Promise.all(
    times(12, (k) =>
      api.create(`groups/grp_h${k % 4}/members`, { id: `gmb_h${k}`, user_id: `usr_${4 + Math.floor(k / 4)}` }),
    ),
  )
  const answers = await fire(
    times(burst, (k): Write => {
      const n = k % 4
      const member = `group-members/${members[k % 12].id}`
      return (
        [
          ['PATCH', `groups/grp_h${n}`, { owner_id: `usr_${k % 10}` }],
          ['PATCH', member, { role: 'owner' }],
          ['PATCH', member, { role: 'member' }],
          ['POST', `groups/grp_h${n}/members`, { user_id: `usr_${(k * 7) % 10}`, role: 'owner' }],
          ['DELETE', member],
          ['POST', 'api-keys', { group_id: `grp_h${n}` }],
          ['PATCH', `groups/grp_h${n}`, { status: k % 2 ? 'suspended' : 'active' }],
          k > 150 && n === 3 ? ['DELETE', `groups/grp_h${n}`] : ['DELETE', `users/usr_${k % 10}`],
        ] as const
      )[Math.floor(k / 4) % 8] as Write
    }),
  )
  expect([200, 201, 204, 404, 409]).toEqual(expect.arrayContaining(statuses(answers)))
})
