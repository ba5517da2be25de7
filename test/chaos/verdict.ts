import pg from 'pg'
import type { Attempt } from './clients.ts'

export interface VerdictRow {
  customer: string
  path: string
  /** Whole answers that clients got, and attempts without one. */
  answers: number
  unanswered: number
  /** Events of these attempts. */
  events: number
  /** All events of the customer on the route, and what the sums say of them; an answer without a route is not among them. */
  ledger: number
  hourly: number
  daily: number
  /** Answers without an event, and events too many. */
  missing: number
  twice: number
}

export interface Limit {
  customer: string
  /** Requests that reached the upstream. */
  admitted: number
  allowed: number
}

export interface Verdict {
  rows: VerdictRow[]
  limits: Limit[]
  /** What is wrong, a line each. */
  differences: string[]
}

export interface Bound {
  customer: string
  ownerId: string
  kind: 'rate' | 'quota'
  allowed: number
}

interface LedgerEvent {
  request_id: string
  path: string
  status_code: number
  user_id: string
  metered_units: string
}

/** Compares what clients got with what the ledger has. */
export async function judge(
  databaseUrl: string,
  attempts: ReadonlyMap<string, Attempt>,
  owners: ReadonlyMap<string, string>,
  bounds: readonly Bound[],
): Promise<Verdict> {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  try {
    const { rows: events } = await client.query<LedgerEvent>(
      `SELECT request_id, path, status_code, user_id, metered_units FROM usage_events WHERE request_id LIKE 'chaos-%'`,
    )
    const rows = tally(events, attempts)
    const differences = rows.flatMap(({ customer, path, missing, twice }) => [
      ...(missing > 0 ? [`${customer} ${path}: ${missing} answers are not in the ledger`] : []),
      ...(twice > 0 ? [`${customer} ${path}: ${twice} events are there twice, or nobody asked for them`] : []),
    ])
    for (const row of rows) {
      const owner = owners.get(row.customer) ?? ''
      Object.assign(row, await countsOf(client, owner, row.path))
      const isSame = row.ledger === row.hourly && row.ledger === row.daily
      if (!isSame) differences.push(`${row.customer} ${row.path}: the sums are not those of the events`)
    }
    const { rows: unlike } = await client.query<{ line: string }>(unlikeSums)
    differences.push(...unlike.map(({ line }) => line))
    const limits = bounds.map(({ customer, ownerId, kind, allowed }) => {
      const own = events.filter((event) => event.user_id === ownerId && event.status_code === 200)
      const units = own.reduce((sum, event) => sum + Number(event.metered_units), 0)
      return { customer, admitted: kind === 'rate' ? own.length : units, allowed }
    })
    for (const { customer, admitted, allowed } of limits) {
      if (admitted > allowed) differences.push(`${customer}: ${admitted} admitted, ${allowed} allowed`)
    }
    return { rows, limits, differences }
  } finally {
    await client.end()
  }
}

/** Every event of the owner on that route, and what the sums say of them. */
async function countsOf(
  client: pg.Client,
  owner: string,
  pattern: string,
): Promise<Pick<VerdictRow, 'ledger' | 'hourly' | 'daily'>> {
  const { rows } = await client.query<Record<string, string>>(
    `SELECT
       (SELECT count(*) FROM usage_events WHERE user_id = $1 AND route_id = routes.id) AS ledger,
       (SELECT coalesce(sum(requests), 0) FROM usage_hourly WHERE user_id = $1 AND route_id = routes.id) AS hourly,
       (SELECT coalesce(sum(requests), 0) FROM usage_daily WHERE user_id = $1 AND route_id = routes.id) AS daily
     FROM routes WHERE path_pattern = $2`,
    [owner, pattern],
  )
  const { ledger, hourly, daily } = rows[0]!
  return { ledger: Number(ledger), hourly: Number(hourly), daily: Number(daily) }
}

/** Sums, by whoever and whatever, that differ from what the events say. */
const unlikeSums = `
WITH events AS (
  SELECT coalesce(user_id, '') AS user_id, coalesce(route_id, '') AS route_id, count(*) AS requests,
    sum(metered_units) AS units FROM usage_events GROUP BY 1, 2
), hourly AS (
  SELECT user_id, route_id, sum(requests) AS requests, sum(metered_units) AS units FROM usage_hourly GROUP BY 1, 2
), owned AS (
  SELECT user_id, sum(requests) AS requests, sum(units) AS units FROM events WHERE user_id <> '' GROUP BY 1
), periods AS (
  SELECT owner_id, sum(requests) AS requests, sum(metered_units) AS units FROM usage_periods GROUP BY 1
)
SELECT 'hourly sums: ' || sums::text AS line FROM
  ((TABLE events EXCEPT TABLE hourly) UNION ALL (TABLE hourly EXCEPT TABLE events)) AS sums
UNION ALL SELECT 'periods: ' || sums::text FROM
  ((TABLE owned EXCEPT TABLE periods) UNION ALL (TABLE periods EXCEPT TABLE owned)) AS sums`

function tally(events: readonly LedgerEvent[], attempts: ReadonlyMap<string, Attempt>): VerdictRow[] {
  const counts = new Map<string, number>()
  for (const { request_id } of events) counts.set(request_id, (counts.get(request_id) ?? 0) + 1)
  const rows = new Map<string, VerdictRow>()
  for (const [id, { customer, path, status }] of attempts) {
    const name = `${customer} ${path}`
    const row = rows.get(name) ?? {
      ...{ customer, path, answers: 0, unanswered: 0, events: 0, ledger: 0, hourly: 0, daily: 0, missing: 0, twice: 0 },
    }
    rows.set(name, row)
    const count = counts.get(id) ?? 0
    counts.delete(id)
    if (status === null) row.unanswered += 1
    else row.answers += 1
    row.events += count
    if (status !== null && count === 0) row.missing += 1
    if (count > 1) row.twice += count - 1
  }
  const [first] = rows.values()
  if (first && counts.size > 0) first.twice += counts.size
  return [...rows.values()].toSorted((a, b) => `${a.customer} ${a.path}`.localeCompare(`${b.customer} ${b.path}`))
}
