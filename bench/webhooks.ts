import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { applyMigrations, createSealer } from '@apigate/platform'
import pg from 'pg'
import { appendWebhookEvents, webhookEvent } from '../apps/control-plane/dist/webhook-outbox/index.js'
import { startEmbeddedPostgres } from '../scripts/embedded-postgres.mjs'
import { freePort } from '../scripts/ports.mjs'
import { startRedis } from '../scripts/servers.mjs'
import { cpuTime, measuredCore, messageOf, otherCore, startNode } from './processes.ts'

/**
 * A stream of events, each for one webhook of many, some of which are dead: what is delivered, what waits, and how much memory
 * the jobs process has, second by second; then until nothing waits for a live one. Each event that was written to a live webhook
 * must have arrived.
 */
const number = (name: string, fallback: number): number => Number(process.env[name] ?? fallback)
const eventsPerSecond = number('BENCH_EVENTS', 1_000)
const endpoints = number('BENCH_ENDPOINTS', 50)
const dead = number('BENCH_DEAD', 6)
const seconds = number('BENCH_SECONDS', 60)
/** Events of one transaction. */
const together = number('BENCH_TOGETHER', 5)
const kinds = ['refused', 'hangs', 'fails']

const scratch = mkdtempSync(path.join(os.tmpdir(), 'apigate-bench-'))
const postgres = await startEmbeddedPostgres({ dir: path.join(scratch, 'postgres') })
const redis = await startRedis(scratch)
await applyMigrations(postgres.url, path.resolve(import.meta.dirname, '../prisma/migrations'))
const pool = new pg.Pool({ connectionString: postgres.url, max: 4 })
const encryptionKey = randomBytes(32).toString('base64')

const behaviours = Array.from({ length: endpoints }, (_, n) => (n < dead ? kinds[n % kinds.length] : 'ok'))
const receivers = startNode('receivers.ts', [JSON.stringify(behaviours)], otherCore)
const { urls } = await messageOf<{ urls: string[] }>(receivers)
const sealed = createSealer(encryptionKey).seal(`whsec_${randomBytes(32).toString('base64')}`)
await pool.query(
  `INSERT INTO webhooks (id, name, url, events, secret_sealed)
   SELECT 'whk_' || n, 'receiver ' || n, url, '{user.updated}', $2 FROM unnest($1::text[]) WITH ORDINALITY AS u (url, n)`,
  [urls, sealed],
)
const isLive = (n: number): boolean => behaviours[n] === 'ok'

const statusPort = await freePort()
const jobs = startNode('../apps/control-plane/dist/main.jobs.js', [], measuredCore, {
  ...process.env,
  NODE_ENV: 'production',
  LOG_LEVEL: 'warn',
  DATABASE_URL: postgres.url,
  NATS_URL: '',
  REDIS_URL: redis.url,
  APIGATE_ENCRYPTION_KEY: encryptionKey,
  APIGATE_WEBHOOK_ALLOW: '127.0.0.1',
  APIGATE_JOBS_STATUS_PORT: String(statusPort),
})
while (!(await fetch(`http://127.0.0.1:${statusPort}/readyz`).catch(() => null))?.ok) await sleep(50)

async function received(): Promise<{ events: number; repeats: number }> {
  receivers.child.send('?')
  return messageOf(receivers)
}
async function waiting(): Promise<number> {
  const { rows } = await pool.query<{ count: string }>(
    `SELECT count(*) FROM webhook_deliveries WHERE status = 'pending' AND webhook_id <> ALL($1)`,
    [behaviours.flatMap((_, n) => (isLive(n) ? [] : [`whk_${n + 1}`]))],
  )
  return Number(rows[0]?.count)
}
const rssMb = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${jobs.pid}/status`, 'utf8'))?.[1]) / 1024

const payload = { type: 'users', id: 'usr_bench', attributes: { name: 'x'.repeat(400) }, previous: { name: 'y' } }
let [written, live] = [0, 0]
async function write(count: number): Promise<void> {
  const events = Array.from({ length: count }, () => {
    const n = written++ % endpoints
    if (isLive(n)) live += 1
    return webhookEvent('user.updated', payload, `whk_${n + 1}`)
  })
  const client = await pool.connect()
  await client.query('BEGIN')
  await appendWebhookEvents(client, events)
  await client.query('COMMIT')
  client.release()
}

console.log(`${eventsPerSecond} events/s for ${seconds} s to ${endpoints} webhooks, ${dead} of them dead\n`)
console.log('| second | written | delivered | delivered/s | waiting for live ones | jobs: MB | jobs: CPU % |')
console.log('|---|---|---|---|---|---|---|')
const startedMs = performance.now()
const elapsed = (): number => (performance.now() - startedMs) / 1_000
let last = { second: 0, events: 0, cpu: cpuTime(jobs.pid).total }
const cpuAtStart = last.cpu
const memory: number[] = []
let left = 0
async function report(): Promise<void> {
  const [{ events }, cpu, second] = [await received(), cpuTime(jobs.pid).total, elapsed()]
  left = await waiting()
  memory.push(rssMb())
  const rate = (events - last.events) / (second - last.second)
  const load = ((cpu - last.cpu) / (second - last.second)) * 100
  const cells = [second, written, events, rate, left, memory.at(-1) as number, load].map((cell) => cell.toFixed(0))
  console.log(`| ${cells.join(' | ')} |`)
  last = { second, events, cpu }
}

const reportEvery = 5
while (elapsed() < seconds) {
  const due = Math.floor(Math.min(elapsed(), seconds) * eventsPerSecond) - written
  const writes = Array.from({ length: Math.floor(due / together) }, () => write(together))
  await Promise.all([...writes, sleep(20)])
  if (elapsed() - last.second >= reportEvery) await report()
}
const writtenAt = elapsed()
do {
  await sleep(500)
  if ((await waiting()) === 0 || elapsed() - last.second >= reportEvery) await report()
} while (left > 0 && elapsed() < seconds + 60)

const { events, repeats } = await received()
const cpu = cpuTime(jobs.pid).total - cpuAtStart
console.log(`\nwritten in ${writtenAt.toFixed(1)} s: ${written} events, ${live} to live webhooks`)
console.log(`arrived after ${elapsed().toFixed(1)} s: ${events}, and ${repeats} again; missing: ${live - events}`)
console.log(
  `CPU of jobs: ${((cpu / events) * 1e6).toFixed(0)} µs per delivery; memory: ${memory.map((mb) => mb.toFixed(0)).join(' ')} MB`,
)
console.log(
  `\nNode ${process.versions.node}, ${os.cpus()[0]?.model.trim()}, ${os.cpus().length} cores, Linux ${os.release()}`,
)

jobs.child.kill('SIGTERM')
receivers.child.kill()
await new Promise((resolve) => jobs.child.once('exit', resolve))
await pool.end()
await postgres.stop()
redis.stop()
rmSync(scratch, { recursive: true, force: true })
process.exit(events >= live ? 0 : 1)
