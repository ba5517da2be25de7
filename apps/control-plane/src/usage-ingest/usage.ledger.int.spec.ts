import type { UsageBatch, UsageEvent } from '@apigate/contracts'
import { RefusedBatchError } from '@apigate/platform'
import { aUsageBatch, aUsageEvent, createTestDatabase, usageEpoch, waitFor, type TestDatabase } from '@apigate/testing'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Database } from '../persistence/index.ts'
import { copyBatches } from './usage.copy.ts'
import { UsageLedger, type MeteredEvent } from './usage.ledger.ts'
import { ensureUsagePartitions } from './usage.partitions.ts'
import { raiseThresholds } from './usage.thresholds.ts'
import { tidyLedger } from './usage.upkeep.ts'

let testDatabase: TestDatabase
let database: Database
let ledger: UsageLedger
/** Copies whatever can be copied. */
let copying: UsageLedger

beforeAll(async () => {
  testDatabase = await createTestDatabase()
  database = new Database(testDatabase.url)
  ledger = new UsageLedger(database)
  copying = new UsageLedger(database, 1)
})
afterAll(async () => {
  await database.onModuleDestroy()
  await testDatabase.drop()
})
beforeEach(async () => {
  await database.pool.query(
    'TRUNCATE usage_events, usage_hourly, usage_daily, usage_periods, usage_marks, usage_refused, usage_metered, webhooks, webhook_events, api_keys, users, plans CASCADE',
  )
})

const events = (first: number, last: number, fields: Partial<UsageEvent> = {}): UsageEvent[] =>
  range(first, last).map((seq) => aUsageEvent(seq, fields))

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n)
}

/** As PostgreSQL writes an int8multirange. */
function multirange(numbers: ReadonlySet<number>): string {
  const starts = [...numbers].filter((n) => !numbers.has(n - 1)).toSorted((a, b) => a - b)
  const ends = [...numbers].filter((n) => !numbers.has(n + 1)).toSorted((a, b) => a - b)
  return `{${starts.map((start, n) => `[${start},${(ends[n] ?? 0) + 1})`).join(',')}}`
}

async function rows(sql: string): Promise<unknown[]> {
  return (await database.pool.query(sql)).rows
}

const everything = `
  SELECT (SELECT json_agg(e ORDER BY id) FROM usage_events e) AS events, (SELECT json_agg(h ORDER BY h) FROM
  (SELECT to_jsonb(usage_hourly) AS h FROM usage_hourly)) AS hourly, (SELECT json_agg(d ORDER BY d) FROM
  (SELECT to_jsonb(usage_daily) AS d FROM usage_daily)) AS daily, (SELECT json_agg(p ORDER BY p) FROM
  (SELECT to_jsonb(usage_periods) - 'updated_at' AS p FROM usage_periods)) AS periods,
  (SELECT json_agg(seen::text) FROM usage_marks) AS marks`

/** Rows of a sum that differ from what the events say; none when the ledger adds up. */
const disagreements = `
  WITH expected_hours AS (
    SELECT date_trunc('hour', created_at, 'UTC') AS hour, coalesce(user_id, '') AS user_id,
      coalesce(group_id, '') AS group_id, coalesce(api_key_id, '') AS api_key_id, coalesce(route_id, '') AS route_id,
      left(status_code::text, 1)::int AS status_class, count(*) AS requests, sum(metered_units)::bigint AS metered_units,
      sum(request_bytes)::bigint AS request_bytes, sum(response_bytes)::bigint AS response_bytes
    FROM usage_events GROUP BY 1, 2, 3, 4, 5, 6
  ), expected_days AS (
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day, coalesce(user_id, '') AS user_id,
      coalesce(group_id, '') AS group_id, coalesce(api_key_id, '') AS api_key_id, coalesce(route_id, '') AS route_id,
      left(status_code::text, 1)::int AS status_class, count(*) AS requests, sum(metered_units)::bigint AS metered_units,
      sum(request_bytes)::bigint AS request_bytes, sum(response_bytes)::bigint AS response_bytes
    FROM usage_events GROUP BY 1, 2, 3, 4, 5, 6
  ), expected_periods AS (
    SELECT coalesce(group_id, user_id) AS owner_id, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-01')::date AS period,
      count(*) AS requests, sum(metered_units)::bigint AS metered_units
    FROM usage_events WHERE coalesce(group_id, user_id) IS NOT NULL GROUP BY 1, 2
  ), held_periods AS (SELECT owner_id, period, requests, metered_units FROM usage_periods)
  SELECT 'hour' AS kind, to_jsonb(h) FROM (
    (TABLE expected_hours EXCEPT TABLE usage_hourly) UNION ALL (TABLE usage_hourly EXCEPT TABLE expected_hours)) h
  UNION ALL SELECT 'day', to_jsonb(d) FROM (
    (TABLE expected_days EXCEPT TABLE usage_daily) UNION ALL (TABLE usage_daily EXCEPT TABLE expected_days)) d
  UNION ALL SELECT 'period', to_jsonb(p) FROM (
    (TABLE expected_periods EXCEPT TABLE held_periods) UNION ALL (TABLE held_periods EXCEPT TABLE expected_periods)) p`

test('a batch becomes events, hourly and daily sums, the quota count of its owner and a mark', async () => {
  const written = await ledger.write(aUsageBatch(events(1, 3)))
  expect(written).toEqual({ inserted: 3, mark: { v: 1, worker: 'w-1', epoch: usageEpoch, first: 1, seq: 3 } })
  const stored = await rows(
    `SELECT to_jsonb(e) - 'created_at' AS e, created_at FROM usage_events e ORDER BY id LIMIT 1`,
  )
  const { seq: _, created_at, ...columns } = aUsageEvent(1)
  expect(stored).toEqual([{ e: columns, created_at: new Date(created_at) }])
  expect(await rows('SELECT hour, requests, metered_units, request_bytes, response_bytes FROM usage_hourly')).toEqual([
    {
      hour: new Date('2026-11-21T23:00:00Z'),
      requests: '3',
      metered_units: '3',
      request_bytes: '15',
      response_bytes: '3072',
    },
  ])
  expect(await rows('SELECT day::text, requests FROM usage_daily')).toEqual([{ day: '2026-11-21', requests: '3' }])
  expect(await rows('SELECT owner_id, period::text, requests, metered_units FROM usage_periods')).toEqual([
    { owner_id: 'usr_1', period: '2026-11-01', requests: '3', metered_units: '3' },
  ])
})

test('a repeat changes nothing and is marked again', async () => {
  const batch = aUsageBatch(events(1, 50))
  await ledger.write(batch)
  const before = await rows(everything)
  expect(await ledger.write(batch)).toEqual({
    inserted: 0,
    mark: { v: 1, worker: 'w-1', epoch: usageEpoch, first: 1, seq: 50 },
  })
  expect(await rows(everything)).toEqual(before)
})

test('a repeat changes nothing even when the partition of its month is gone', async () => {
  const old = events(1, 5, { created_at: '2025-03-01T00:00:00.000Z' })
  await ledger.write(aUsageBatch(old))
  await database.pool.query('DELETE FROM usage_events')
  expect((await ledger.write(aUsageBatch(old))).inserted).toBe(0)
})

test('what lies behind a missing event is marked by its own range, until the missing one comes', async () => {
  await ledger.write(aUsageBatch(events(1, 2)))
  expect((await ledger.write(aUsageBatch(events(4, 6)))).mark).toMatchObject({ first: 4, seq: 6 })
  expect((await ledger.write(aUsageBatch(events(3, 3)))).mark).toMatchObject({ first: 1, seq: 6 })
})

test("the quota count belongs to the group where there is one, and to nobody on a public route's answer", async () => {
  await ledger.write(
    aUsageBatch([
      aUsageEvent(1, { group_id: 'grp_1' }),
      aUsageEvent(2, { user_id: null, api_key_id: null, plan_id: null }),
      aUsageEvent(3, { user_id: null, group_id: 'grp_1', metered_units: 10 }),
    ]),
  )
  expect(await rows('SELECT owner_id, requests, metered_units FROM usage_periods')).toEqual([
    { owner_id: 'grp_1', requests: '2', metered_units: '11' },
  ])
  expect(await rows(disagreements)).toEqual([])
})

test('hours, days and months are cut in UTC whatever the session says', async () => {
  await database.pool.query(`ALTER ROLE CURRENT_USER IN DATABASE "${new URL(testDatabase.url).pathname.slice(1)}"
    SET timezone = 'Asia/Kathmandu'`)
  const elsewhere = new Database(testDatabase.url)
  try {
    await new UsageLedger(elsewhere).write(aUsageBatch(events(1, 1, { created_at: '2026-12-31T23:59:59.999Z' })))
  } finally {
    await elsewhere.onModuleDestroy()
  }
  const [row] = await rows(`SELECT hour, (SELECT day::text FROM usage_daily), (SELECT period::text FROM usage_periods)
    FROM usage_hourly`)
  expect(row).toEqual({ hour: new Date('2026-12-31T23:00:00Z'), day: '2026-12-31', period: '2026-12-01' })
})

describe('by copy', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('', '"', '\\', '\\.', '","', ')\n(', ' ', 'ü,(x)', '\u0000'),
  )
  const id = fc.option(fc.constantFrom('usr_1', 'key-2', 'a.b', '', 'with space', 'quoted"', 'comma,'))
  const event = fc.record({
    ...{
      user_id: id,
      group_id: id,
      api_key_id: id,
      plan_id: id,
      route_id: id,
      upstream_id: id,
      client_ip: fc.option(text),
    },
    ...{ method: text, path: text, request_id: text, error_code: fc.option(text), metering_error: fc.option(text) },
    ...{ status_code: fc.integer({ min: 100, max: 599 }), latency_ms: fc.nat(), config_revision: fc.nat() },
    ...{ request_bytes: fc.nat({ max: 10 ** 15 }), response_bytes: fc.nat(), metered_units: fc.nat({ max: 10 ** 12 }) },
    created_at: fc.constantFrom('2026-10-31T23:59:59.999Z', '2026-11-01T00:00:00Z', '2027-01-01T00:00:00.000Z'),
  })

  test('a batch leaves what it leaves by the statement, whatever its events hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 5 }), async (fields) => {
        const batch = aUsageBatch(fields.map((each, n) => aUsageEvent(n + 1, each)))
        const left: unknown[] = []
        for (const each of [ledger, copying]) {
          await database.pool.query('TRUNCATE usage_events, usage_hourly, usage_daily, usage_periods, usage_marks')
          expect((await each.write(batch)).inserted).toBe(fields.length)
          left.push(await rows(everything))
        }
        expect(left[1]).toEqual(left[0])
      }),
      { numRuns: 60 },
    )
  })

  const nothing = (): Promise<unknown> => rows('SELECT 1 FROM usage_events UNION ALL SELECT 1 FROM usage_marks')

  test('batches are written together, and marked', async () => {
    const written = await copyBatches(database, [aUsageBatch(events(1, 20)), aUsageBatch(events(22, 30))])
    expect([...written.values()]).toEqual([
      { mark_first: '1', mark_last: '20', is_to_raise: false },
      { mark_first: '22', mark_last: '30', is_to_raise: false },
    ])
    expect(await rows(disagreements)).toEqual([])
  })

  const aBatch = (over: Partial<UsageEvent>): UsageBatch => aUsageBatch([aUsageEvent(2, over)])
  const { rows: plainRows, ...plain } = aUsageBatch(events(2, 2))
  test.each<[string, UsageBatch]>([
    ['an event is unsound', aBatch({ metered_units: -1 })],
    ['units are beyond the bound', aBatch({ metered_units: 10 ** 12 + 1 })],
    ['bytes are beyond the bound', aBatch({ response_bytes: 10 ** 15 + 1 })],
    ['a day does not exist', aBatch({ created_at: '2026-02-30T00:00:00.000Z' })],
    ['a second would be rounded into the next hour', aBatch({ created_at: '2026-11-21T22:59:59.9999Z' })],
    ['a minute has 61 seconds', aBatch({ created_at: '2026-11-21T22:59:60Z' })],
    ['a number is beyond its column', aBatch({ latency_ms: 2 ** 31 })],
    ['a number is not the one', { ...plain, rows: plainRows.replace('(2,', '(02,') }],
    ['a row is written in another way', { ...plain, rows: plainRows.replace('/things/1', '"/a""b"') }],
    ['a line is empty', { ...plain, rows: `${plainRows}\n` }],
    [
      'the sum is no number any more',
      aUsageBatch(range(2, 12).map((seq) => aUsageEvent(seq, { request_bytes: 10 ** 15 }))),
    ],
  ])('nothing is written when %s', async (_, batch) => {
    expect([...(await copyBatches(database, [aUsageBatch(events(1, 1)), batch]))]).toEqual([])
    expect(await nothing()).toEqual([])
  })

  const copiedOf = async (...group: UsageBatch[]): Promise<number[]> =>
    [...(await copyBatches(database, group)).keys()].map(({ first }) => first)

  test('what is there already is left to the statement, and the others are copied', async () => {
    await ledger.write(aUsageBatch(events(1, 5)))
    expect(await copiedOf(aUsageBatch(events(5, 9)), aUsageBatch(events(10, 12)))).toEqual([10])
    const repeats = [aUsageBatch(events(1, 5)), aUsageBatch(events(11, 12)), aUsageBatch(events(13, 14))]
    const written = await Promise.all(repeats.map((batch) => copying.write(batch)))
    expect(written.map(({ inserted, mark }) => [inserted, mark.first])).toEqual([
      [0, 1],
      [0, 10],
      [2, 10],
    ])
    expect(await rows(disagreements)).toEqual([])
  })

  test('nothing is written when an event comes twice, or is written by somebody else meanwhile', async () => {
    expect(await copiedOf(aUsageBatch(events(10, 12)), aUsageBatch(events(12, 14)))).toEqual([])
    expect(await nothing()).toEqual([])
    const written = await Promise.all([1, 2].map(() => copiedOf(aUsageBatch(events(20, 29)))))
    expect(written.flat()).toEqual([20])
    await database.pool.query('TRUNCATE usage_marks')
    expect(await copiedOf(aUsageBatch(events(20, 29))), 'by the id alone').toEqual([])
    expect(await rows(disagreements)).toEqual([])
  })

  test('a refusal while much is still to be sent ends nothing but the copy', async () => {
    await ledger.write(aUsageBatch(events(1, 1)))
    await database.pool.query('TRUNCATE usage_marks')
    const path = `/${'x'.repeat(4_000)}`
    const large = range(0, 9).map((n) => aUsageBatch(events(n * 1000 + 2, n * 1000 + 1001, { path })))
    expect(await copiedOf(aUsageBatch(events(1, 1)), ...large)).toEqual([])
    expect(await copiedOf(aUsageBatch(events(2, 3)))).toEqual([2])
  })
})

describe.each(['statement', 'copy'])('two that write the same sums by %s', (way) => {
  // In the order in which they are written.
  const tables = ['usage_hourly', 'usage_daily', 'usage_periods', 'usage_marks']

  test.each(tables)('meet in one order and so never lock each other out: %s', async (held) => {
    const written = way === 'copy' ? copying : ledger
    await written.write(aUsageBatch(events(1, 3)))
    const holder = await database.pool.connect()
    await holder.query(`BEGIN; SELECT 1 FROM ${held} FOR UPDATE`)
    const writing = written.write(aUsageBatch(events(4, 6)))
    await waitFor(async () => (await rows(waiting)).length === 1)
    const locked: string[] = []
    for (const table of tables) {
      const free = await rows(`SELECT 1 FROM ${table} FOR UPDATE SKIP LOCKED`)
      if (free.length === 0) locked.push(table)
    }
    await holder.query('ROLLBACK')
    holder.release()
    await writing
    expect(locked).toEqual(tables.slice(0, tables.indexOf(held) + 1))
  })
})

const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`

describe('a batch that cannot be true is refused whole', () => {
  const cases: Record<string, UsageBatch> = {
    'an event is missing at the end': aUsageBatch(events(1, 2), { last: 3 }),
    'an event is missing in the middle': aUsageBatch([aUsageEvent(1), aUsageEvent(3)]),
    'an event is there twice': aUsageBatch([aUsageEvent(1), aUsageEvent(1), aUsageEvent(2)], { last: 3 }),
    'events are out of order': aUsageBatch([aUsageEvent(2), aUsageEvent(1)], { first: 1, last: 2 }),
    'no events': aUsageBatch([], { first: 1, last: 1 }),
    'no rows': aUsageBatch(events(1, 1), { rows: 'nothing' }),
    JSON: aUsageBatch(events(1, 1), { rows: JSON.stringify(events(1, 1)) }),
    'the end of a batch within': aUsageBatch(events(1, 2), {
      rows: aUsageBatch(events(1, 2)).rows.replace('\n', '\u001e'),
    }),
  }
  const aRow = (...[from, to]: [string, string]): UsageBatch => {
    const { rows, ...batch } = aUsageBatch(events(1, 1, { metered_units: 77 }))
    expect(rows).toContain(from)
    return { ...batch, rows: rows.replace(from, to) }
  }
  const unsound: Record<string, UsageBatch> = {
    'NUL in text': aRow('/things', '/\u0000things'),
    'too many fields': aRow(',77,', ',77,,'),
    'too few fields': aRow(',77,', ','),
    'an open end': aRow(')', ''),
    'an open quotation mark': aRow('/things', '"/things'),
    'a negative count': aUsageBatch([aUsageEvent(1, { metered_units: -1 })]),
    'negative bytes': aUsageBatch([aUsageEvent(1, { request_bytes: -1 })]),
    'a fraction': aUsageBatch([aUsageEvent(1, { metered_units: 0.5 })]),
    'units beyond the bound': aUsageBatch([aUsageEvent(1, { metered_units: 1e13 })]),
    'a number beyond bigint': aRow(',77,', ',99999999999999999999,'),
    'text for a number': aRow(',200,', ',ok,'),
    'a status that is none': aUsageBatch([aUsageEvent(1, { status_code: 0 })]),
    'no method': aRow(',GET,', ',,'),
    'a time that is none': aUsageBatch([aUsageEvent(1, { created_at: 'soon' })]),
    'a time without end': aUsageBatch([aUsageEvent(1, { created_at: 'infinity' })]),
  }
  test.each(Object.entries(unsound))('but for one event: %s', async (_, batch) => {
    const written = await ledger.write(batch)
    expect(written).toMatchObject({ inserted: 0, mark: { first: 1, seq: 1 } })
    expect(await rows('SELECT 1 FROM usage_events')).toEqual([])
    expect(await rows('SELECT seq FROM usage_refused')).toEqual([{ seq: '1' }])
  })

  test('but for the unsound events of a large batch, which are set aside alone', async () => {
    const bad = new Set([17, 18, 400])
    const mixed = range(1, 1000).map((seq) => aUsageEvent(seq, bad.has(seq) ? { metered_units: -1 } : {}))
    const written = await ledger.write(aUsageBatch(mixed))
    expect(written).toMatchObject({ inserted: 997, mark: { first: 1, seq: 1000 } })
    expect(await rows('SELECT seq::int FROM usage_refused ORDER BY seq')).toEqual([...bad].map((seq) => ({ seq })))
    expect((await ledger.write(aUsageBatch(mixed))).inserted, 'a repeat').toBe(0)
    expect(await rows(disagreements)).toEqual([])
  })

  test.each(Object.entries(cases))('%s', async (_, batch) => {
    await expect(ledger.write(batch)).rejects.toThrow(RefusedBatchError)
    expect(await rows('SELECT 1 FROM usage_events UNION ALL SELECT 1 FROM usage_marks')).toEqual([])
    expect((await ledger.write(aUsageBatch(events(1, 2)))).inserted, 'the next batch is not affected').toBe(2)
  })

  test('without a word of its contents', async () => {
    const refused = ledger.write(aUsageBatch([aUsageEvent(1, { path: '/secret', method: 'secret' })], { last: 2 }))
    await expect(refused).rejects.not.toThrow(/secret/)
  })
})

test.each([
  ['a table is not there', 'ALTER TABLE usage_hourly RENAME TO away', 'ALTER TABLE away RENAME TO usage_hourly'],
  ['a column is not filled', 'ALTER TABLE usage_events ADD more int NOT NULL', 'ALTER TABLE usage_events DROP more'],
  [
    'no partition takes the event',
    `ALTER TABLE usage_events RENAME TO away; CREATE TABLE usage_events (LIKE away, PRIMARY KEY (created_at, id))
       PARTITION BY RANGE (created_at)`,
    'DROP TABLE usage_events; ALTER TABLE away RENAME TO usage_events',
  ],
])('it is not the batch that is refused when %s', async (_, breakIt, repairIt) => {
  await database.pool.query(breakIt)
  try {
    await expect(ledger.write(aUsageBatch(events(1, 2)))).rejects.not.toThrow(RefusedBatchError)
  } finally {
    await database.pool.query(repairIt)
  }
  expect((await ledger.write(aUsageBatch(events(1, 2)))).inserted).toBe(2)
})

describe('last_used of a key', () => {
  beforeEach(async () => {
    await database.pool.query(`
      INSERT INTO plans (id, name) VALUES ('plan_1', 'p');
      INSERT INTO users (id, email, plan_id) VALUES ('usr_1', 'a@example.com', 'plan_1');
      INSERT INTO api_keys (id, prefix, digest, user_id) VALUES ('key_1', 'ak_', sha256('1'), 'usr_1')`)
  })
  const lastUsed = async (): Promise<unknown> =>
    ((await rows(`SELECT last_used FROM api_keys WHERE id = 'key_1'`)) as { last_used: Date | null }[])[0]?.last_used
  const at = (seq: number, time: string): UsageBatch => aUsageBatch([aUsageEvent(seq, { created_at: time })])

  test('follows its use to the minute', async () => {
    await ledger.write(at(1, '2026-11-01T10:00:00.000Z'))
    expect(await lastUsed()).toEqual(new Date('2026-11-01T10:00:00Z'))
    await ledger.write(at(2, '2026-11-01T10:00:59.000Z'))
    expect(await lastUsed(), 'not written again within the minute').toEqual(new Date('2026-11-01T10:00:00Z'))
    await ledger.write(at(3, '2026-11-01T10:01:01.000Z'))
    expect(await lastUsed()).toEqual(new Date('2026-11-01T10:01:01Z'))
  })

  test('never goes back when an old batch comes late', async () => {
    await ledger.write(at(2, '2026-11-01T10:00:00.000Z'))
    await ledger.write(at(1, '2026-10-01T10:00:00.000Z'))
    expect(await lastUsed()).toEqual(new Date('2026-11-01T10:00:00Z'))
  })

  test('is not ahead of the clock, and a key that is gone is no matter', async () => {
    await ledger.write(
      aUsageBatch([aUsageEvent(1, { created_at: '2199-01-01T00:00:00.000Z' }), aUsageEvent(2, { api_key_id: 'gone' })]),
    )
    expect((await lastUsed()) as Date).toBeInstanceOf(Date)
    expect(((await lastUsed()) as Date).getTime()).toBeLessThanOrEqual(Date.now() + 60_000)
  })
})

describe('the quota of an owner', () => {
  beforeEach(async () => {
    await database.pool.query(`
      INSERT INTO plans (id, name, requests_per_month) VALUES ('plan_1', 'p', 100);
      INSERT INTO users (id, email, plan_id) VALUES ('usr_1', 'a@example.com', 'plan_1');
      INSERT INTO webhooks (id, name, url, events, secret_sealed)
      VALUES ('whk_1', 'w', 'https://example.com/', '{usage.threshold,usage.limit}', 'sealed')`)
  })
  const raised = async (): Promise<unknown[]> =>
    (await rows(`SELECT type, payload->'threshold' AS at FROM webhook_events ORDER BY payload->'threshold'`)).map(
      (row) => Object.values(row as object).join(' '),
    )

  test('is told of at 80, 95 and 100 percent, once a period each, and what is above it is overage', async () => {
    await ledger.write(aUsageBatch(events(1, 79)))
    expect(await raised()).toEqual([])
    await ledger.write(aUsageBatch(events(80, 94)))
    expect(await raised()).toEqual(['usage.threshold 80'])
    await ledger.write(aUsageBatch(events(95, 130)))
    expect(await raised()).toEqual(['usage.threshold 80', 'usage.threshold 95', 'usage.limit 100'])
    await ledger.write(aUsageBatch(events(131, 140)))
    expect(await raised()).toHaveLength(3)
    expect(await rows('SELECT quota, overage_units FROM usage_periods')).toEqual([
      { quota: '100', overage_units: '40' },
    ])
    await ledger.write(aUsageBatch(events(141, 230, { created_at: '2026-12-01T00:00:00.000Z' })))
    expect(await raised(), 'of the next month').toHaveLength(4)
  })

  test('that became smaller is told of with the next event', async () => {
    await ledger.write(aUsageBatch(events(1, 50)))
    await database.pool.query('UPDATE plans SET requests_per_month = 50')
    await ledger.write(aUsageBatch(events(51, 51)))
    expect(await raised()).toHaveLength(3)
  })

  test('is told of once when several processes write at once', async () => {
    await Promise.all(range(0, 9).map((n) => ledger.write(aUsageBatch(events(1 + n * 20, 20 + n * 20)))))
    await raiseThresholds(database)
    expect(await raised()).toHaveLength(3)
  })
})

test('events that come by the meter endpoint are counted once, whatever is repeated', async () => {
  const metered = (id: string, metered_units: number): MeteredEvent => ({
    ...{ id, metered_units, created_at: '2026-11-21T10:00:00Z', user_id: 'usr_1', group_id: null, api_key_id: null },
    ...{ plan_id: null, route_id: null, method: 'METER', path: '', status_code: 200, request_id: 'r' },
  })
  expect(await ledger.meter([metered('a', 5), metered('b', 7)])).toEqual(new Set(['a', 'b']))
  const [again] = await Promise.all([
    ledger.meter([metered('b', 7), metered('c', 1)]),
    ledger.meter([metered('a', 99)]),
  ])
  expect(again).toEqual(new Set(['c']))
  expect(await rows('SELECT metered_units FROM usage_periods')).toEqual([{ metered_units: '13' }])
  expect(await rows(disagreements)).toEqual([])
})

test('events of a month without a partition are kept, and move into it when it is made', async () => {
  const far = new Date(Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() + 5, 10)).toISOString()
  const name = `usage_events_${far.slice(0, 7).replace('-', '_')}`
  await ledger.write(aUsageBatch(events(1, 3, { created_at: far })))
  expect(await rows('SELECT count(*)::int AS n FROM usage_events_default')).toEqual([{ n: 3 }])
  await Promise.all([1, 2].map(() => ensureUsagePartitions(database.pool)))
  await database.pool.query('SELECT apigate_ensure_usage_partitions($1::timestamptz, 0)', [far])
  expect(await rows(`SELECT count(*)::int AS n FROM ${name}`)).toEqual([{ n: 3 }])
  expect((await ledger.write(aUsageBatch(events(2, 4, { created_at: far })))).inserted).toBe(1)
  expect(await rows(`SELECT count(*)::int AS n FROM ${name}`)).toEqual([{ n: 4 }])
})

test('what is older than the retention is dropped: months of events and hours, but not the days', async () => {
  const old = '2020-03-10T00:00:00.000Z'
  await database.pool.query('SELECT apigate_ensure_usage_partitions($1::timestamptz, 0)', [old])
  await ledger.write(aUsageBatch(events(1, 3, { created_at: old })))
  await ledger.write(aUsageBatch(events(4, 5, { created_at: new Date().toISOString() })))
  await tidyLedger(database.pool, 0)
  expect(await rows('SELECT count(*)::int AS n FROM usage_events')).toEqual([{ n: 5 }])
  await tidyLedger(database.pool, 2)
  expect(await rows('SELECT count(*)::int AS n FROM usage_events')).toEqual([{ n: 2 }])
  expect(await rows(`SELECT to_regclass('usage_events_2020_03') AS name`)).toEqual([{ name: null }])
  expect(await rows('SELECT sum(requests)::int AS n FROM usage_hourly')).toEqual([{ n: 2 }])
  expect(await rows('SELECT sum(requests)::int AS n FROM usage_daily')).toEqual([{ n: 5 }])
})

test('the marks of workers that are long gone are dropped, those with gaps are kept', async () => {
  await ledger.write(aUsageBatch(events(1, 3)))
  await ledger.write({ ...aUsageBatch(events(5, 6)), worker: 'w-1' })
  await database.pool.query(`INSERT INTO usage_marks VALUES ('old', 1, '{[1,9)}', now() - interval '50 days'),
    ('gap', 1, '{[1,3),[5,9)}', now() - interval '50 days')`)
  await tidyLedger(database.pool, 0)
  expect(await rows('SELECT worker FROM usage_marks ORDER BY worker')).toEqual([{ worker: 'gap' }, { worker: 'w-1' }])
})

test('sums equal the events for any batches, repeats and overlaps, written at once', async () => {
  const field = fc.record({
    user_id: fc.constantFrom('usr_1', 'usr_2', null),
    group_id: fc.constantFrom('grp_1', null),
    api_key_id: fc.constantFrom('key_1', 'key_2', null),
    route_id: fc.constantFrom('rte_1', 'rte_2'),
    status_code: fc.constantFrom(200, 204, 404, 502),
    metered_units: fc.nat({ max: 1000 }),
    request_bytes: fc.nat(),
    response_bytes: fc.nat(),
    created_at: fc.constantFrom(
      '2026-10-31T23:59:59.999Z',
      '2026-11-01T00:00:00.000Z',
      '2026-11-21T23:20:00.123Z',
      '2027-01-01T00:00:00Z',
    ),
  })
  const size = 120
  const span = fc.tuple(fc.nat({ max: size - 1 }), fc.nat({ max: 40 }))
  await fc.assert(
    fc.asyncProperty(
      fc.array(field, { minLength: size, maxLength: size }),
      fc.array(span, { minLength: 1, maxLength: 12 }),
      async (fields, spans) => {
        await database.pool.query('TRUNCATE usage_events, usage_hourly, usage_daily, usage_periods, usage_marks')
        const all = fields.map((each, n) => aUsageEvent(n + 1, each))
        const batches = spans.map(([start, length]) => aUsageBatch(all.slice(start, start + length + 1)))
        const written = await Promise.all(batches.map((batch, n) => (n % 3 === 0 ? ledger : copying).write(batch)))
        const sent = new Set(batches.flatMap(({ first, last }) => range(first, last)))
        expect(written.reduce((sum, { inserted }) => sum + inserted, 0)).toBe(sent.size)
        const stored = (await rows('SELECT id FROM usage_events')) as { id: string }[]
        expect(new Set(stored.map(({ id }) => id))).toEqual(new Set([...sent].map((seq) => aUsageEvent(seq).id)))
        expect(await rows(disagreements)).toEqual([])
        const [marks] = (await rows('SELECT seen::text FROM usage_marks')) as { seen: string }[]
        expect(marks?.seen).toBe(multirange(sent))
      },
    ),
    { numRuns: 25 },
  )
})
