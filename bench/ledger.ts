import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { applyMigrations } from '@apigate/platform'
import pg from 'pg'
import { startEmbeddedPostgres } from '../scripts/embedded-postgres.mjs'
import { freePort } from '../scripts/ports.mjs'
import { startNats, startRedis } from '../scripts/servers.mjs'
import { cpuSeconds, cpuSecondsOfTree, messageOf, startNode, type BenchProcess } from './processes.ts'

/**
 * From spool to ledger: a spool that the worker's own code has filled is shipped by the worker's own shipper over Redis to a
 * real jobs process and a real PostgreSQL that flushes at commit, until the worker has the mark of the last event. Beside it, in
 * turns, a bare insert and a bare COPY of the same rows. Prints events per second, and CPU time per event of each process.
 */
const events = Number(process.env['BENCH_EVENTS'] ?? 500_000)
const keys = Number(process.env['BENCH_KEYS'] ?? 1_000)
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 2)

const scratch = mkdtempSync(path.join(os.tmpdir(), 'apigate-bench-'))
const folder = (name: string): string => {
  mkdirSync(path.join(scratch, name))
  return path.join(scratch, name)
}
const postgres = await startEmbeddedPostgres({ dir: path.join(scratch, 'postgres') })
await applyMigrations(postgres.url, path.resolve(import.meta.dirname, '../prisma/migrations'))
const database = new pg.Client(postgres.url)
await database.connect()
const redis = await startRedis(folder('redis'), { keeps: true })
const nats = await startNats(folder('nats'))
const jobs = await startJobs()

/** CPU time of each part so far, in seconds. */
type Cpu = Record<string, number>

interface Sample {
  name: string
  seconds: number
  cpu: Cpu
}

async function startJobs(): Promise<BenchProcess> {
  const port = await freePort()
  const env = {
    ...process.env,
    NODE_ENV: 'production',
    LOG_LEVEL: 'warn',
    DATABASE_URL: postgres.url,
    NATS_URL: nats.url,
    REDIS_URL: redis.url,
    APIGATE_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    APIGATE_JOBS_STATUS_PORT: String(port),
  }
  const started = startNode('../apps/control-plane/dist/main.jobs.js', [], null, env)
  while (!(await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null))?.ok) {
    if (started.child.exitCode !== null) throw new Error('the jobs process did not start')
    await sleep(50)
  }
  return started
}

async function fill(dir: string): Promise<number> {
  const filler = startNode('ledger/fill.ts', [dir, String(events), String(keys)], null)
  const { cpuSeconds } = await messageOf<{ cpuSeconds: number }>(filler)
  await ended(filler)
  return cpuSeconds
}

function ended({ child }: BenchProcess): Promise<void> {
  return new Promise((resolve) => (child.exitCode === null ? child.once('exit', () => resolve()) : resolve()))
}

/** Lets a process that is ready begin, and takes the time and CPU until it says that it is done. */
async function run(name: string, subject: BenchProcess, parts: Record<string, () => number>): Promise<Sample> {
  await messageOf(subject)
  const cpu = (): Cpu => Object.fromEntries(Object.entries(parts).map(([part, read]) => [part, read()]))
  const before = cpu()
  const startedAtMs = performance.now()
  subject.child.send({ go: true })
  await messageOf(subject)
  const seconds = (performance.now() - startedAtMs) / 1_000
  const after = cpu()
  await ended(subject)
  return {
    name,
    seconds,
    cpu: Object.fromEntries(Object.entries(after).map(([part, at]) => [part, at - before[part]!])),
  }
}

const postgresCpu = (): number => cpuSecondsOfTree(postgres.pid)

function ship(dir: string): Promise<Sample> {
  const shipper = startNode('ledger/ship.ts', [dir, redis.url, nats.url], null)
  return run('spool to ledger', shipper, {
    'shipper or client': () => cpuSeconds(shipper.pid),
    Redis: () => cpuSeconds(redis.pid),
    NATS: () => cpuSeconds(nats.pid),
    jobs: () => cpuSeconds(jobs.pid),
    PostgreSQL: postgresCpu,
  })
}

/** Into a table with the columns and indexes of a partition of the ledger. */
async function writeBare(way: 'insert' | 'copy', n: number): Promise<Sample> {
  const table = `bare_${way}_${n}`
  await database.query(`CREATE TABLE ${table} (LIKE usage_events INCLUDING ALL)`)
  const writer = startNode('ledger/insert.ts', [way, postgres.url, table, String(events), String(keys)], null)
  const parts = { 'shipper or client': () => cpuSeconds(writer.pid), PostgreSQL: postgresCpu }
  const sample = await run(`bare ${way}`, writer, parts)
  await database.query(`DROP TABLE ${table}`)
  return sample
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]!

function print(samples: Sample[]): void {
  const parts = Object.keys(samples.at(-1)!.cpu)
  console.log(`\n| | events/s | ${parts.join(' | ')} | all |\n|---|---|${parts.map(() => '---|').join('')}---|`)
  for (const name of new Set(samples.map((sample) => sample.name))) {
    const own = samples.filter((sample) => sample.name === name)
    const of = (part: string): number => median(own.map(({ cpu }) => cpu[part] ?? 0)) * (1e6 / events)
    const all = parts.reduce((sum, part) => sum + of(part), 0)
    const perSecond = median(own.map(({ seconds }) => events / seconds))
    const cells = [...parts.map(of), all].map((value) => value.toFixed(1))
    console.log(`| ${[name, perSecond.toFixed(0), ...cells].join(' | ')} |`)
  }
}

try {
  console.log(`${rounds} rounds of ${events} events by ${keys} keys; medians, CPU µs per event`)
  const samples: Sample[] = []
  const filled: number[] = []
  for (let n = 1; n <= rounds; n++) {
    const dir = folder(`spool-${n}`)
    filled.push(await fill(dir))
    samples.push(await writeBare('insert', n), await writeBare('copy', n), await ship(dir))
    for (const { name, seconds } of samples.slice(-3)) console.log(`${name}: ${(events / seconds).toFixed(0)} events/s`)
  }
  print(samples)
  console.log(`\nInto the spool: ${((median(filled) / events) * 1e6).toFixed(1)} µs per event in the worker.`)
  const { rows } = await database.query(`SELECT (SELECT count(*) FROM usage_events)::int AS events,
    (SELECT sum(requests) FROM usage_hourly)::int AS hourly, (SELECT sum(requests) FROM usage_daily)::int AS daily,
    (SELECT sum(requests) FROM usage_periods)::int AS periods`)
  console.log(`In the ledger of ${rounds * events}: ${JSON.stringify(rows[0])}`)
} finally {
  jobs.child.kill('SIGTERM')
  await ended(jobs)
  await database.end()
  nats.stop()
  redis.stop()
  await postgres.stop()
  rmSync(scratch, { recursive: true, force: true })
}
