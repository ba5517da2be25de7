import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../api.fixture.ts'

/** Enough for the planner to mind; docs/decisions/0013 has the figures of a million. */
const keys = 50_000
const users = 5_000

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
  await api.create('plans', { id: 'plan_a', name: 'a' })
  await api.create('plans', { id: 'plan_b', name: 'b' })
  const { pool } = api.database
  await pool.query(
    `INSERT INTO users (id, email, plan_id, status, created_at)
     SELECT 'usr_' || lpad(i::text, 6, '0'), 'u' || i || '@example.com', CASE WHEN i % 100 = 0 THEN 'plan_b' ELSE 'plan_a' END,
       (CASE WHEN i % 100 = 1 THEN 'suspended' ELSE 'active' END)::user_status, '2026-01-01'::timestamptz + i * interval '1 minute'
     FROM generate_series(1, $1) i`,
    [users],
  )
  await pool.query(
    `INSERT INTO groups (id, name, slug, owner_id, plan_id) VALUES ('grp_a', 'a', 'a', 'usr_000001', 'plan_a')`,
  )
  await pool.query(
    `INSERT INTO api_keys (id, prefix, digest, user_id, group_id, revoked_at, expires_at, created_at, updated_at)
     SELECT 'key_' || lpad(i::text, 8, '0'), 'ak_' || substr(md5(i::text), 1, 9), sha256(i::text::bytea),
       CASE WHEN i % 500 <> 0 THEN 'usr_' || lpad((i % $2 + 1)::text, 6, '0') END, CASE WHEN i % 500 = 0 THEN 'grp_a' END,
       CASE WHEN i % 100 = 1 THEN now() END, CASE WHEN i % 50 = 1 THEN timestamptz '2028-01-01' + (i - 25000) * interval '1 hour' END, '2026-01-01'::timestamptz + (i / 3) * interval '1 second', now()
     FROM generate_series(1, $1::int) i`,
    [keys, users],
  )
  await pool.query(
    `INSERT INTO audit_events (id, created_at, actor_type, actor_id, action, target_type, target_id)
     SELECT 'aud_' || lpad(i::text, 8, '0'), '2026-01-01'::timestamptz + (i / 3) * interval '1 second', 'api_key',
       'key_' || i % 100, 'api_keys.create', 'api_keys', 'key_' || lpad(i::text, 8, '0')
     FROM generate_series(1, $1) i`,
    [keys],
  )
  await pool.query('VACUUM ANALYZE users, api_keys, audit_events')
}, 120_000)
afterAll(() => api?.stop())

/** The plans of all statements that a request leads to. */
async function plansOf(url: string): Promise<string> {
  const { pool } = api.database
  const asked: { text: string; values: unknown[] }[] = []
  const query = pool.query.bind(pool)
  const record = (statement: { text: string; values: unknown[] }): unknown => {
    asked.push(statement)
    return query(statement)
  }
  Object.assign(pool, { query: record })
  try {
    const { status, document } = await api.call('GET', url)
    expect([status, document.data.length > 0]).toEqual([200, true])
  } finally {
    Object.assign(pool, { query })
  }
  const plans = await Promise.all(asked.map(({ text, values }) => query(`EXPLAIN (COSTS OFF) ${text}`, values)))
  return plans.flatMap(({ rows }) => rows.map((row: Record<string, string>) => row['QUERY PLAN'])).join('\n')
}

const deep = Math.floor(keys / 20 / 2)

describe('an index serves', () => {
  test.each([
    'api-keys',
    'api-keys?sort=created_at',
    `api-keys?page[number]=${deep}`,
    `api-keys?page[number]=${keys / 20 - 100}`,
    'api-keys?filter[user]=usr_000777',
    'api-keys?filter[user]=usr_000777&sort=created_at',
    'api-keys?filter[group]=grp_a',
    'api-keys?filter[group]=grp_a&sort=created_at',
    'api-keys?filter[revoked_at]=null',
    'api-keys?filter[revoked_at][ne]=null',
    'api-keys?filter[revoked_at][ne]=null&sort=created_at',
    'api-keys?filter[expires_at]=null',
    'api-keys?filter[expires_at][ne]=null',
    'api-keys?filter[expires_at][lt]=2028-01-01',
    'api-keys?filter[prefix]=ak_c4ca4238a',
    'api-keys?page[after]=',
    'api-keys?page[before]=',
    'api-keys?page[after]=&filter[user]=usr_000777',
    'api-keys?page[after]=&filter[revoked_at]=null',
    'users',
    'users?sort=created_at',
    'users?filter[status]=active',
    'users?filter[status]=suspended',
    'users?filter[plan]=plan_b',
    'users?filter[email]=u777@example.com',
    'users?page[after]=',
    'audit-events',
    `audit-events?page[number]=${deep}`,
    'audit-events?filter[target_id]=key_00000777',
    'audit-events?filter[actor_id]=key_7',
    'audit-events?page[after]=',
  ])('%s', async (path) => {
    const plans = await plansOf(`/api/${path}`)
    expect(plans).toMatch(/Index/)
    const isSmall = /filter\[(user|group|target_id|email|prefix)\]/.test(path)
    // What is found by an index and is little may be sorted; the whole table must not.
    expect(plans).not.toMatch(
      isSmall ? /Seq Scan on (api_keys|users|audit_events)/ : /Seq Scan on (api_keys|users|audit_events)|Sort/,
    )
  })

  test('every page by cursor alike, at its index and by its bound', async () => {
    let url = '/api/api-keys?page[after]=&page[size]=100'
    for (let page = 0; page < 3; page++) {
      const { document } = await api.call('GET', url)
      url = document.links.next
    }
    const plans = await plansOf(url)
    expect(plans).toMatch(/Index Scan Backward using api_keys_created_at_id_idx[^]*Index Cond: \(created_at <= /)
    expect(plans).not.toMatch(/Seq Scan on api_keys|Sort/)
  })
})

describe('pages', () => {
  test('are the same rows from either end, and by number as by cursor', async () => {
    const idsOf = async (url: string) => {
      const { document } = await api.call('GET', url)
      return { ids: document.data.map(({ id }: { id: string }) => id), links: document.links, meta: document.meta }
    }
    const { rows } = await api.database.pool.query<{ id: string }>(
      'SELECT id FROM api_keys ORDER BY created_at DESC, id DESC',
    )
    const all = rows.map(({ id }) => id)
    for (const number of [1, 10, 11, 12, Math.ceil(all.length / 200), Math.ceil(all.length / 100)]) {
      const { ids, meta } = await idsOf(`/api/api-keys?page[size]=100&page[number]=${number}`)
      expect(ids).toEqual(all.slice((number - 1) * 100, number * 100))
      expect(meta.total).toBe(all.length)
    }
    const ascending = await idsOf(`/api/api-keys?sort=created_at&page[size]=100&page[number]=300`)
    expect(ascending.ids).toEqual(all.toReversed().slice(29_900, 30_000))
    expect((await idsOf(`/api/api-keys?page[size]=100&page[number]=9999999`)).ids).toEqual([])

    const last = await idsOf('/api/api-keys?page[before]=&page[size]=100')
    expect(last.ids).toEqual(all.slice(-100))
    const before = await idsOf(last.links.prev)
    expect(before.ids).toEqual(all.slice(-200, -100))
  })
})

describe('the number of rows that is kept is the number of rows', () => {
  const counted = async (): Promise<unknown> =>
    (await api.database.pool.query(`SELECT counted, sum(rows)::int AS rows FROM row_counts GROUP BY 1 ORDER BY 1`)).rows
  const real = async (): Promise<unknown> =>
    (
      await api.database.pool.query(
        `SELECT 'api_keys' AS counted, count(*)::int AS rows FROM api_keys
         UNION ALL SELECT 'audit_events', count(*)::int FROM audit_events
         UNION ALL SELECT 'users', count(*)::int FROM users ORDER BY 1`,
      )
    ).rows

  test('after inserts, deletes that cascade, and what was rolled back', async () => {
    expect(await counted()).toEqual(await real())
    expect((await api.call('DELETE', '/api/users/usr_000555')).status).toBe(204)
    await api.call('POST', '/api/users', { email: 'u1@example.com' })
    await api.create('users', { email: 'counted@example.com' })
    expect(await counted()).toEqual(await real())
    const { pool } = api.database
    await pool.query(`BEGIN; DELETE FROM audit_events; ROLLBACK`)
    await pool.query(`DELETE FROM api_keys WHERE revoked_at IS NOT NULL AND user_id > 'usr_001000'`)
    await pool.query(`UPDATE users SET name = 'x' WHERE plan_id = 'plan_b'`)
    expect(await counted()).toEqual(await real())
    const { document } = await api.call('GET', '/api/api-keys')
    expect({ rows: document.meta.total }).toMatchObject(
      (await pool.query('SELECT count(*)::int AS rows FROM api_keys')).rows[0],
    )
  })

  test.each([
    ['api-keys?filter[revoked_at]=null', 'api_keys WHERE revoked_at IS NULL'],
    ['api-keys?filter[revoked_at][ne]=null', 'api_keys WHERE revoked_at IS NOT NULL'],
    ['users?filter[status]=active', `users WHERE status = 'active'`],
    ['users?filter[status]=suspended', `users WHERE status = 'suspended'`],
    ['users?filter[status]=active,suspended', `users WHERE status IN ('active', 'suspended')`],
    ['users?filter[status]=active&filter[plan]=plan_b', `users WHERE status = 'active' AND plan_id = 'plan_b'`],
    ['users?filter[status][ne]=active', `users WHERE status <> 'active'`],
  ])('as the total of %s', async (path, condition) => {
    const { rows } = await api.database.pool.query(`SELECT count(*)::int AS total FROM ${condition}`)
    expect((await api.call('GET', `/api/${path}`)).document.meta).toMatchObject(rows[0])
  })

  test('while many write at once, and it stays a short sum', async () => {
    const writes = Array.from({ length: 20 }, async (_, worker) => {
      for (let n = 0; n < 30; n++) {
        const id = `usr_w${worker}-${n}`
        const sql = `INSERT INTO users (id, email, plan_id) VALUES ('${id}', '${id}@example.com', 'plan_a')`
        await api.database.pool.query(n % 5 === 0 ? `BEGIN; ${sql}; ROLLBACK` : sql)
        if (n % 3 === 0) await api.database.pool.query('DELETE FROM users WHERE id = $1', [id])
      }
    })
    await Promise.all(writes)
    expect(await counted()).toEqual(await real())
    const { rows } = await api.database.pool.query(`SELECT count(*)::int AS parts FROM row_counts`)
    expect(rows[0].parts).toBeLessThan(600)
  })
})
