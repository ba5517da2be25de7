import { createLogger } from '@apigate/platform'
import pg from 'pg'
import { openUsageSpool } from '../../apps/proxy/src/usage/index.ts'

/**
 * Inserts what a spool holds into a bare table by `json_to_recordset`, a thousand rows a statement, on two connections, and
 * nothing else: what the ledger is compared with. Arguments: folder, database, table. Begins at a message.
 */
const [dir = '', databaseUrl = '', table = ''] = process.argv.slice(2)
const rowsInStatement = 1_000

const log = createLogger({ name: 'insert', level: 'warn' })
const spool = await openUsageSpool({
  ...{ dir, worker: 'bench', segmentBytesMax: 16 << 20, diskBytesMax: 2 ** 36, log },
})
const texts: string[] = []
const [epoch] = spool.epochs
if (!epoch) throw new Error('the spool is empty')
for (let seq = 1; seq <= epoch.unacknowledged.size; seq += rowsInStatement) {
  const last = Math.min(seq + rowsInStatement - 1, epoch.unacknowledged.size)
  texts.push((await spool.batchText(epoch, seq, last)) ?? '')
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

process.on('message', () => {
  void Promise.all(clients.map(insertAll)).then(async () => {
    process.send?.({ done: true })
    await Promise.all(clients.map((client) => client.end()))
    process.disconnect?.()
  })
})
process.send?.({ batches: texts.length })
