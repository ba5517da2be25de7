import { waitFor } from '@apigate/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../api.fixture.ts'
import { expectConsistency } from '../consistency.fixture.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
})
afterAll(() => api?.stop())

test('two hundred writes at once leave a history that folds into the tables', async () => {
  const count = 20
  const each = Array.from({ length: count }, (_, index) => index)
  const started = await Promise.all(
    each.map(async (n) => {
      const plan = await api.create('plans', { id: `plan_${n}`, name: `Plan ${n}` })
      const user = await api.create('users', { id: `usr_${n}`, email: `${n}@example.com`, plan_id: plan.id })
      const upstream = await api.create('upstreams', { id: `ups_${n}`, name: 'u', base_url: 'http://127.0.0.1:9000' })
      const route = await api.create('routes', {
        ...{ id: `rte_${n}`, name: 'r', path_pattern: `/${n}`, upstream_id: upstream.id },
      })
      const keys = await Promise.all([0, 1].map(() => api.create('api-keys', { user_id: user.id })))
      return { plan, user, upstream, route, keys }
    }),
  )
  const writes = started.flatMap(({ plan, user, upstream, route, keys }, n) => {
    const other = started[(n * 7 + 3) % count] ?? started[0]
    return [
      // Each plan is given to a user and deleted, each user deleted and given a key, and so on, at the same moment.
      () => api.call('PATCH', `/api/users/${other?.user.id}`, { plan_id: plan.id, status: 'suspended' }),
      () => api.call('DELETE', `/api/plans/${plan.id}`),
      () => api.call('PATCH', `/api/plans/${other?.plan.id}`, { is_default: true }),
      () => api.call('PATCH', `/api/plans/${other?.plan.id}`, { burst: n + 1 }),
      () => api.call('POST', '/api/api-keys', { user_id: user.id }),
      () => (n % 2 === 0 ? api.call('DELETE', `/api/users/${user.id}`) : api.call('GET', '/api/api-keys')),
      () => api.call('POST', `/api/api-keys/${keys[0].id}/revoke`),
      () => api.call('DELETE', `/api/api-keys/${keys[0].id}`),
      () => api.call('POST', '/api/routes', { name: 'n', path_pattern: '/new', upstream_id: upstream.id }),
      () => api.call('DELETE', `/api/upstreams/${upstream.id}`),
      () => api.call('PATCH', `/api/routes/${route.id}`, { upstream_id: other?.upstream.id, priority: n }),
      () => api.call('DELETE', `/api/routes/${route.id}`),
    ]
  })
  const answers = await Promise.all(writes.map((write) => write()))
  const statuses = new Set(answers.map(({ status }) => status))
  expect([...statuses].filter((status) => ![200, 201, 204, 404, 409].includes(status))).toEqual([])
  await expectConsistency(api.database)
}, 60_000)

/** Waits until so many sessions wait for a lock. */
async function blocked(count: number): Promise<void> {
  await waitFor(async () => {
    const { rows } = await api.database.pool.query<{ waiting: number }>(
      `SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    )
    return rows[0]?.waiting === count
  })
}

test('a user is deleted while the ledger notes the use of the keys, without a deadlock', async () => {
  await api.create('users', { id: 'usr_busy', email: 'busy@example.com' })
  // The older key has the higher id: by age is not by id, which is the ledger's order.
  for (const id of ['key_busy_b', 'key_busy_a']) await api.create('api-keys', { id, user_id: 'usr_busy' })
  const ledger = await api.database.pool.connect()
  const use = (id: string) => ledger.query(`UPDATE api_keys SET last_used = now() WHERE id = $1`, [id])
  await ledger.query('BEGIN')
  await use('key_busy_a')
  const deleted = api.call('DELETE', '/api/users/usr_busy')
  await blocked(1)
  await use('key_busy_b')
  await ledger.query('COMMIT')
  ledger.release()
  expect((await deleted).status).toBe(204)
  await expectConsistency(api.database)
})

test('a write that loses a deadlock is tried again', async () => {
  await api.create('users', { id: 'usr_dead', email: 'dead@example.com' })
  const other = await api.database.pool.connect()
  // Who waits longest looks for a deadlock first, and is the one that loses: this must not be the other session.
  await other.query(`BEGIN; SET LOCAL deadlock_timeout = '60s'; SELECT FROM config_head FOR UPDATE`)
  const updated = api.call('PATCH', '/api/users/usr_dead', { name: 'dead or alive' })
  await blocked(1)
  await other.query(`UPDATE users SET name = 'other' WHERE id = 'usr_dead'`)
  await other.query('COMMIT')
  other.release()
  const { status, document } = await updated
  expect([status, document.data?.attributes.name]).toEqual([200, 'dead or alive'])
})

test('reads go on while a burst of writes waits', async () => {
  await api.create('users', { id: 'usr_burst', email: 'burst@example.com' })
  const other = await api.database.pool.connect()
  await other.query('BEGIN; SELECT FROM config_head FOR UPDATE')
  const writes = Array.from({ length: 30 }, (_, n) => api.call('PATCH', '/api/users/usr_burst', { name: String(n) }))
  await blocked(5)
  expect((await api.call('GET', '/api/users/usr_burst')).status).toBe(200)
  await other.query('COMMIT')
  other.release()
  expect(new Set((await Promise.all(writes)).map(({ status }) => status))).toEqual(new Set([200]))
  await expectConsistency(api.database)
})

test.each([
  ['a plan goes while a user is put on it', 'plans/plan_x', 'users', { email: 'x@example.com', plan_id: 'plan_x' }],
  ['a user goes while a key is made for them', 'users/usr_x', 'api-keys', { user_id: 'usr_x' }],
  [
    ...['an upstream goes while a route to it is made', 'upstreams/ups_x', 'routes'],
    { name: 'r', path_pattern: '/r', upstream_id: 'ups_x' },
  ],
] as const)('%s: one of the two is refused, never both done', async (_, doomed, collection, body) => {
  for (let round = 0; round < 5; round++) {
    await api.create('plans', { id: 'plan_x', name: 'x' })
    await api.create('users', { id: 'usr_x', email: 'owner@example.com' })
    await api.create('upstreams', { id: 'ups_x', name: 'x', base_url: 'http://127.0.0.1:9000' })
    const [gone, made] = await Promise.all([
      api.call('DELETE', `/api/${doomed}`),
      api.call('POST', `/api/${collection}`, body),
    ])
    expect([
      [204, 404],
      [409, 201],
      // A key goes with its user.
      ...(collection === 'api-keys' ? [[204, 201]] : []),
    ]).toContainEqual([gone.status, made.status])
    await expectConsistency(api.database)
    if (made.status === 201) await api.call('DELETE', `/api/${collection}/${made.document.data.id}`)
    for (const rest of ['plans/plan_x', 'users/usr_x', 'upstreams/ups_x']) await api.call('DELETE', `/api/${rest}`)
  }
})

test('writes go on over a migration that adds columns to what connections have prepared', async () => {
  await api.create('users', { id: 'usr_migrated', email: 'migrated@example.com' })
  const write = async (): Promise<number[]> => {
    const { id } = await api.create('api-keys', { user_id: 'usr_migrated' })
    const revoked = await api.call('POST', `/api/api-keys/${id}/revoke`)
    return [revoked.status, (await api.call('DELETE', `/api/api-keys/${id}`)).status]
  }
  expect(await write()).toEqual([200, 204])
  for (const table of ['api_keys', 'users', 'audit_events', 'config_head', 'config_changes', 'config_revisions'])
    await api.database.pool.query(`ALTER TABLE ${table} ADD COLUMN of_a_later_version text NOT NULL DEFAULT 'x'`)
  expect(await write()).toEqual([200, 204])
})
