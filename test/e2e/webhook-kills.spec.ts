import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { createSealer } from '@apigate/platform'
import { createTestDatabase, waitFor, type TestDatabase } from '@apigate/testing'
import pg from 'pg'
import { Webhook } from 'standardwebhooks'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { freePort } from '../../scripts/ports.mjs'
import { startRedis } from '../../scripts/servers.mjs'

const main = path.resolve(import.meta.dirname, '../../apps/control-plane/dist/main.jobs.js')
const encryptionKey = randomBytes(32).toString('base64')
const secret = `whsec_${randomBytes(32).toString('base64')}`
const count = 300

let database: TestDatabase
let pool: pg.Pool
let redis: { url: string; stop: () => void }
let server: Server
/** What came, by event: the bodies, each verified. */
let received: Map<string, string[]>
let answer: (response: ServerResponse) => void
let jobs: ChildProcess

const scratch = mkdtempSync(path.join(os.tmpdir(), 'apigate-kills-'))
beforeAll(async () => {
  database = await createTestDatabase()
  pool = new pg.Pool({ connectionString: database.url })
  redis = await startRedis(scratch)
  server = createServer((request, response) => {
    const receive = async (): Promise<void> => {
      const body = await text(request)
      new Webhook(secret).verify(body, request.headers as Record<string, string>)
      const id = String(request.headers['webhook-id'])
      received.set(id, [...(received.get(id) ?? []), body])
      answer(response)
    }
    receive().catch(() => response.writeHead(400).end())
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
})
beforeEach(async () => {
  received = new Map()
  answer = (response) => response.end()
  const { port } = server.address() as AddressInfo
  for (let n = 0; n < 3; n++) {
    await pool.query(`INSERT INTO webhooks (id, name, url, events, secret_sealed) VALUES ($1, 'w', $2, '{*}', $3)`, [
      ...[`whk_${n}`, `http://127.0.0.1:${port}/${n}`, createSealer(encryptionKey).seal(secret)],
    ])
  }
  await pool.query(
    `INSERT INTO webhook_events (id, type, payload) SELECT 'whe_' || n, 'test', '{}' FROM generate_series(1, $1::int) n`,
    [count],
  )
  await pool.query(
    `INSERT INTO webhook_deliveries (id, webhook_id, event_id, event_type, next_attempt_at)
     SELECT 'whd_' || n, 'whk_' || n % 3, 'whe_' || n, 'test', now() FROM generate_series(1, $1::int) n`,
    [count],
  )
})
afterEach(async () => {
  await kill()
  await pool.query('DELETE FROM webhooks; DELETE FROM webhook_events')
})
afterAll(async () => {
  server?.closeAllConnections()
  server?.close()
  await pool?.end()
  await database?.drop()
  redis?.stop()
  rmSync(scratch, { recursive: true, force: true })
})

async function start(): Promise<void> {
  jobs = spawn(process.execPath, [main], {
    env: {
      ...{ ...process.env, LOG_LEVEL: 'silent', DATABASE_URL: database.url, NATS_URL: '', REDIS_URL: redis.url },
      ...{ APIGATE_ENCRYPTION_KEY: encryptionKey, APIGATE_WEBHOOK_ALLOW: '127.0.0.1' },
      APIGATE_JOBS_STATUS_PORT: String(await freePort()),
    },
    stdio: 'ignore',
  })
}
async function kill(): Promise<void> {
  if (jobs.exitCode !== null || jobs.signalCode !== null) return
  const ended = once(jobs, 'exit')
  jobs.kill('SIGKILL')
  await ended
}
const deliveries = async (condition: string): Promise<number> => {
  const { rows } = await pool.query<{ count: string }>(`SELECT count(*) FROM webhook_deliveries WHERE ${condition}`)
  return Number(rows[0]?.count)
}
const wait = (condition: () => unknown): Promise<unknown> => waitFor(condition, { timeoutMs: 30_000 })

test.each<[string, () => Promise<unknown>]>([
  ['as soon as it has leased something', () => wait(async () => (await deliveries('lease > 0')) > 0)],
  [
    'while receivers think',
    () => {
      const thinking: ServerResponse[] = []
      answer = (response) => thinking.push(response)
      return wait(() => thinking.length >= 12)
    },
  ],
  [
    'when an answer was sent that it has not noted',
    async () => {
      let isAnswered = false
      answer = (response) => {
        response.end()
        if (received.size >= 50) isAnswered = jobs.kill('SIGKILL')
      }
      await wait(() => isAnswered)
    },
  ],
  ['when a part is noted', () => wait(async () => (await deliveries(`status = 'delivered'`)) > 0)],
])('%s, the jobs process may be killed: nothing is lost, and what comes again is the same', async (_, moment) => {
  await start()
  await moment()
  await kill()
  answer = (response) => response.end()
  // As if the time had passed after which nobody believes in the dead process any more.
  await pool.query(`UPDATE webhook_deliveries SET leased_until = now() WHERE leased_until IS NOT NULL`)
  await start()
  await wait(async () => (await deliveries(`status = 'delivered' AND attempts = 1`)) === count)
  expect([...received.keys()].toSorted()).toEqual(
    Array.from({ length: count }, (_each, n) => `whe_${n + 1}`).toSorted(),
  )
  const differing = [...received.values()].filter((bodies) => new Set(bodies).size > 1)
  expect(differing).toEqual([])
})
