import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HousekeepingRepository } from '../housekeeping/housekeeping.repository.ts'
import { startTestApi, type TestApi } from '../api.fixture.ts'

/** Enough for the planner to mind; docs/decisions/0013 has the figures of a million. */
const keys = 50_000
const users = 5_000

let api: TestApi
let housekeeping: HousekeepingRepository
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
     SELECT 'aud_' || lpad(i::text, 8, '0'), '2026-01-01'::timestamptz + (least(i, 24000) / 3) * interval '1 second', 'api_key',
       'key_' || i % 100, 'api_keys.create', 'api_keys', 'key_' || lpad(i::text, 8, '0')
     FROM generate_series(1, $1) i`,
    [keys],
  )
  await pool.query(`SELECT apigate_ensure_usage_partitions('2026-01-10', 1)`)
  await pool.query(
    `INSERT INTO usage_events (id, created_at, user_id, group_id, api_key_id, route_id, method, path, status_code, latency_ms,
       request_bytes, response_bytes, metered_units, request_id, config_revision)
     SELECT 'evt_w_1795000000000_' || i, '2026-01-01'::timestamptz + (i / 3) * interval '2 minutes',
       CASE WHEN i % 2 = 0 THEN 'usr_000777' WHEN i % 4 = 1 THEN 'usr_' || lpad((i % $2 + 1)::text, 6, '0') END,
       CASE WHEN i % 4 = 3 THEN 'grp_a' END,
       'key_' || lpad((CASE WHEN i % 2 = 0 THEN 777 ELSE i % 3000 END)::text, 8, '0'), 'rte_' || i % 50, 'GET', '/x', CASE WHEN i % 100 = 0 THEN 500 ELSE 200 END,
       1, 0, 0, 1, 'r', 1
     FROM generate_series(1, $1::int) i`,
    [keys, users],
  )
  await pool.query(`INSERT INTO usage_daily
    SELECT (created_at AT TIME ZONE 'UTC')::date, coalesce(user_id, ''), coalesce(group_id, ''), api_key_id, route_id, 2, 1, 1, 1, 1
    FROM usage_events GROUP BY 1, 2, 3, 4, 5`)
  await pool.query('VACUUM ANALYZE users, api_keys, audit_events, usage_events, usage_daily')
  housekeeping = new HousekeepingRepository(api.database)
  while (await housekeeping.divideParts());
}, 120_000)
afterAll(() => api?.stop())

/** The plans of all statements that a request leads to, but for those about the few hundred rows of the counts. */
async function plansOf(url: string, options = 'COSTS OFF'): Promise<string> {
  const { pool } = api.database
  const asked: { text: string; values: unknown[] }[] = []
  const query = pool.query.bind(pool)
  const record = (given: string | { text: string; values: unknown[] }, values: unknown[] = []): unknown => {
    const statement = typeof given === 'string' ? { text: given, values } : given
    if (!statement.text.includes('row_counts')) asked.push(statement)
    return query(statement)
  }
  Object.assign(pool, { query: record })
  try {
    const { status, document } = await api.call('GET', url)
    expect([status, document.data.length > 0]).toEqual([200, true])
  } finally {
    Object.assign(pool, { query })
  }
  const plans = await Promise.all(asked.map(({ text, values }) => query(`EXPLAIN (${options}) ${text}`, values)))
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

  test.each([
    'page[after]=',
    'page[before]=',
    'page[after]=&filter[user]=usr_000777',
    'page[before]=&filter[user]=usr_000777',
    'page[after]=&filter[user]=usr_000778',
    'page[after]=&filter[user]=usr_000777&filter[created_at][lt]=2026-01-20',
    'page[after]=&filter[group]=grp_a',
    'page[before]=&filter[group]=grp_a',
    'page[after]=&filter[api_key]=key_00000777',
    'page[after]=&filter[api_key]=key_00000001',
    'page[after]=&filter[created_at][gte]=2026-01-10&filter[created_at][lt]=2026-02-10',
    'page[after]=&filter[status_code][gte]=500',
  ])('a page of usage-events in few rows: %s', async (query) => {
    const plans = await plansOf(`/api/usage-events?${query}`, 'ANALYZE, COSTS OFF, TIMING OFF')
    const read = [...plans.matchAll(/actual rows=([\d.]+)|Rows Removed by Filter: (\d+)/g)].map(([, found, rest]) =>
      Number(found ?? rest),
    )
    expect(Math.max(...read)).toBeLessThan(3_000)
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
  test.each(['api-keys', 'api-keys?sort=created_at'])('by number read no more than a part: %s', async (path) => {
    const most: number[] = []
    for (const number of [100, 600, 1250, 1251, 1900, 2400, 2500]) {
      const url = `/api/${path}${path.includes('?') ? '&' : '?'}page[number]=${number}`
      const plans = await plansOf(url, 'ANALYZE, COSTS OFF, TIMING OFF')
      most.push(
        Math.max(...[...plans.matchAll(/Index Only Scan.*actual rows=([\d.]+)/g)].map(([, rows]) => Number(rows))),
      )
    }
    expect(Math.max(...most)).toBeLessThan(20_020)
    expect(Math.max(...most)).toBeGreaterThan(1_000)
  })

  const idsOf = async (url: string) => {
    const { document } = await api.call('GET', url)
    return { ids: document.data.map(({ id }: { id: string }) => id), links: document.links, meta: document.meta }
  }
  const newestFirst = async (table: string): Promise<string[]> => {
    const { rows } = await api.database.pool.query<{ id: string }>(
      `SELECT id FROM ${table} ORDER BY created_at DESC, id DESC`,
    )
    return rows.map(({ id }) => id)
  }

  test.each([
    ['api-keys', 'api_keys'],
    // More than half of them were made in one instant.
    ['audit-events', 'audit_events'],
  ])('%s by number are those of one order, in either direction', async (collection, table) => {
    const all = await newestFirst(table)
    const last = Math.ceil(all.length / 100)
    for (const number of [1, 11, 12, 199, 239, 240, 241, 262, Math.ceil(last / 2), 300, last - 1, last, last + 1]) {
      const { ids, meta } = await idsOf(`/api/${collection}?page[size]=100&page[number]=${number}`)
      expect([number, ids]).toEqual([number, all.slice((number - 1) * 100, number * 100)])
      expect(meta.total).toBe(all.length)
      const ascending = await idsOf(`/api/${collection}?sort=created_at&page[size]=100&page[number]=${number}`)
      expect([number, ascending.ids]).toEqual([number, all.toReversed().slice((number - 1) * 100, number * 100)])
    }
    expect((await idsOf(`/api/${collection}?page[size]=100&page[number]=9999999`)).ids).toEqual([])
  })

  test('are the same rows by number as by cursor', async () => {
    const all = await newestFirst('api_keys')
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

  const parts = async (table: string): Promise<unknown> =>
    (
      await api.database.pool.query(
        `SELECT coalesce(kept.since, real.since) AS since, kept.rows AS kept, real.rows AS real
         FROM (SELECT since, sum(rows)::int AS rows FROM row_counts WHERE counted = $1 GROUP BY 1 HAVING sum(rows) <> 0) kept
         FULL JOIN (SELECT marks.since[width_bucket(created_at, marks.since)] AS since, count(*)::int AS rows
           FROM ${table}, (SELECT since FROM row_marks WHERE counted = $1) marks GROUP BY 1) real
         ON coalesce(kept.since, '-infinity') = coalesce(real.since, '-infinity') WHERE kept.rows IS DISTINCT FROM real.rows`,
        [table],
      )
    ).rows

  test('part by part, while they are divided and joined under writes', async () => {
    const { pool } = api.database
    const marks = async (): Promise<number> =>
      (await pool.query(`SELECT cardinality(since) AS marks FROM row_marks WHERE counted = 'users'`)).rows[0].marks
    expect(await marks()).toBe(0)
    const writing = new Set([0, 1, 2])
    const write = async (writer: number): Promise<void> => {
      for (let n = 0; n < 15; n++) {
        await pool.query(
          `INSERT INTO users (id, email, plan_id, created_at)
           SELECT 'usr_p' || i, 'p' || i || '@example.com', 'plan_a', '2020-01-01'::timestamptz + (i * 7919 % 100000) * interval '1 minute'
           FROM generate_series($1::int, $1 + 999) i`,
          [(writer * 15 + n) * 1_000],
        )
        await pool.query(`DELETE FROM users WHERE id = $1`, [`usr_p${(writer * 15 + n) * 1_000 + 7}`])
      }
      writing.delete(writer)
    }
    const divide = async (): Promise<void> => {
      // Writers may not let go of the table in time: later is as good.
      while (writing.size > 0 || (await housekeeping.divideParts())) await housekeeping.divideParts().catch(() => {})
    }
    await Promise.all([write(0), write(1), write(2), divide(), divide()])
    const most = await marks()
    expect(most).toBeGreaterThan(1)
    expect(await parts('users')).toEqual([])
    await pool.query(`DELETE FROM users WHERE id LIKE 'usr\\_p%'`)
    while (await housekeeping.divideParts());
    expect(await marks()).toBeLessThan(most)
    for (const table of ['users', 'api_keys', 'audit_events']) expect(await parts(table)).toEqual([])
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
