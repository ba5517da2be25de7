import pg from 'pg'
import { EventMaker } from './events.ts'

/**
 * Inserts the same events into a bare table by `json_to_recordset`, a thousand rows a statement, on two connections, and nothing
 * else: what the ledger is compared with. Arguments: database, table, events, keys. Begins at a message.
 */
const [databaseUrl = '', table = '', events = '0', keys = '0'] = process.argv.slice(2)
const rowsInStatement = 1_000

const maker = new EventMaker(Number(keys))
const texts: string[] = []
for (let first = 1; first <= Number(events); first += rowsInStatement) {
  const batch = Array.from({ length: Math.min(rowsInStatement, Number(events) - first + 1) }, (_, n) => ({
    id: `evt_bench_1795000000000_${first + n}`,
    ...maker.make(),
  }))
  texts.push(JSON.stringify(batch))
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
    await client.query({ ...statement, values: [text] })
  }
}

const begin = new Promise((resolve) => process.once('message', resolve))
process.send?.({ batches: texts.length })
await begin
await Promise.all(clients.map(insertAll))
process.send?.({ done: true })
await Promise.all(clients.map((client) => client.end()))
process.disconnect?.()
