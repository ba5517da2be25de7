import { finished } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { EventMaker } from './events.ts'

/**
 * Writes the same events into a bare table by `json_to_recordset` or by COPY, a thousand rows a statement, on two connections, and
 * nothing else: what the ledger is compared with. Arguments: `insert` or `copy`, database, table, events, keys. Begins at a
 * message.
 */
const [way = '', databaseUrl = '', table = '', events = '0', keys = '0'] = process.argv.slice(2)
const rowsInStatement = 1_000

const maker = new EventMaker(Number(keys))
const texts: string[] = []
for (let first = 1; first <= Number(events); first += rowsInStatement) {
  const batch = Array.from({ length: Math.min(rowsInStatement, Number(events) - first + 1) }, (_, n) => ({
    id: `evt_bench_1795000000000_${first + n}`,
    ...maker.make(),
  }))
  texts.push(way === 'copy' ? batch.map(csvLine).join('') : JSON.stringify(batch))
}
function csvLine(event: object): string {
  return `${Object.values(event)
    .map((value) => value ?? '')
    .join(',')}\n`
}
const columns =
  'id, created_at, user_id, group_id, api_key_id, plan_id, route_id, upstream_id, method, path, status_code, latency_ms, ' +
  'request_bytes, response_bytes, metered_units, error_code, metering_error, request_id, config_revision, client_ip'
const statement = {
  name: 'insert',
  text: `INSERT INTO ${table} (${columns}) SELECT ${columns} FROM json_to_recordset($1::json) AS (
    id text, created_at timestamptz(3), user_id text, group_id text, api_key_id text, plan_id text,
    route_id text, upstream_id text, method text, path text, status_code integer, latency_ms integer,
    request_bytes bigint, response_bytes bigint, metered_units bigint, error_code text, metering_error text,
    request_id text, config_revision bigint, client_ip text) ON CONFLICT DO NOTHING`,
}
const clients = [1, 2].map(() => new pg.Client(databaseUrl))
for (const client of clients) await client.connect()

async function insertAll(client: pg.Client): Promise<void> {
  for (let text = texts.shift(); text !== undefined; text = texts.shift()) {
    if (way === 'copy') {
      const stream = client.query(copyFrom(`COPY ${table} (${columns}) FROM STDIN (FORMAT csv)`))
      stream.end(text)
      await finished(stream)
    } else await client.query({ ...statement, values: [text] })
  }
}

const begin = new Promise((resolve) => process.once('message', resolve))
process.send?.({ batches: texts.length })
await begin
await Promise.all(clients.map(insertAll))
process.send?.({ done: true })
await Promise.all(clients.map((client) => client.end()))
process.disconnect?.()
