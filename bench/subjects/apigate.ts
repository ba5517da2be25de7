import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { applyMigrations } from '@apigate/platform'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../scripts/embedded-postgres.mjs'
import { freePort } from '../../scripts/ports.mjs'
import { startNats, startRedis } from '../../scripts/servers.mjs'
import { measuredCore, otherCore, startNode, type BenchProcess } from '../processes.ts'
import type { Scale } from '../requests.ts'

export interface ApigateSubject {
  process: BenchProcess
  port: number
  /** Events in the ledger so far. */
  ledgerEvents(): Promise<number>
  stop(): Promise<void>
}

/**
 * The real worker with the policy on, as it is deployed: configuration from NATS, a bucket and a quota for each key and user
 * leased from Redis, usage written to the spool and shipped through Redis to the ledger of a real PostgreSQL. Of all that only
 * the worker is pinned to the measured core.
 *
 * @param settings more of the worker's.
 */
export async function startApigate(
  upstreamPort: number,
  scale: Scale,
  settings: NodeJS.ProcessEnv = {},
): Promise<ApigateSubject> {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'apigate-bench-'))
  const postgres = await startEmbeddedPostgres({ dir: path.join(scratch, 'postgres'), ephemeral: true })
  await applyMigrations(postgres.url, path.resolve(import.meta.dirname, '../../prisma/migrations'))
  const database = new pg.Client({ connectionString: postgres.url })
  await database.connect()
  await insertConfiguration(database, upstreamPort, scale)

  const folder = (name: string): string => {
    mkdirSync(path.join(scratch, name))
    return path.join(scratch, name)
  }
  const redis = await startRedis(folder('redis'), { keeps: true })
  const nats = await startNats(folder('nats'))
  const [jobsPort, port, statusPort] = [await freePort(), await freePort(), await freePort()]
  const env = {
    ...process.env,
    NODE_ENV: 'production',
    LOG_LEVEL: 'warn',
    DATABASE_URL: postgres.url,
    NATS_URL: nats.url,
    REDIS_URL: redis.url,
    APIGATE_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    APIGATE_DATA_DIR: path.join(scratch, 'worker'),
    APIGATE_WORKER_ID: 'bench',
    APIGATE_JOBS_STATUS_PORT: String(jobsPort),
    APIGATE_PROXY_PORT: String(port),
    APIGATE_STATUS_PORT: String(statusPort),
    APIGATE_DRAIN_SECONDS: '0',
    // Redis shares a core with the ledger: a worker that gave it up would save itself the calls that are to be measured.
    APIGATE_LIMITS_TIMEOUT_MS: '10000',
  }
  const jobs = startNode('../apps/control-plane/dist/main.jobs.js', [], otherCore, env)
  const worker = startNode('../apps/proxy/dist/main.js', [], measuredCore, { ...env, ...settings })
  while (!(await fetch(`http://127.0.0.1:${statusPort}/readyz`).catch(() => null))?.ok) {
    if (worker.child.exitCode !== null) throw new Error('the worker did not start')
    await sleep(50)
  }
  return {
    process: worker,
    port,
    async ledgerEvents() {
      const { rows } = await database.query<{ count: string }>('SELECT count(*) FROM usage_events')
      return Number(rows[0]?.count)
    },
    async stop() {
      worker.child.kill('SIGTERM')
      jobs.child.kill('SIGTERM')
      await Promise.all([worker, jobs].map(({ child }) => new Promise((resolve) => child.once('exit', resolve))))
      await database.end()
      redis.stop()
      nats.stop()
      await postgres.stop()
      rmSync(scratch, { recursive: true, force: true })
    },
  }
}

async function insertConfiguration(database: pg.Client, upstreamPort: number, scale: Scale): Promise<void> {
  await database.query(`INSERT INTO plans (id, name, rate_limit_per_minute, requests_per_month, is_default)
    VALUES ('plan_bench', 'bench', 600000000, 1000000000, true)`)
  await database.query(
    `INSERT INTO users (id, email, plan_id)
    SELECT 'usr_' || lpad(n::text, 26, '0'), n || '@example.com', 'plan_bench' FROM generate_series(0, $1::int) AS n`,
    [Math.floor((scale.keys - 1) / 2)],
  )
  // As `clearKey` has it.
  await database.query(
    `INSERT INTO api_keys (id, prefix, digest, user_id)
    SELECT 'key_' || lpad(n::text, 26, '0'), left(clear, 12), sha256(clear::bytea), 'usr_' || lpad((n / 2)::text, 26, '0')
    FROM (SELECT n, 'ak_' || encode(sha256(('bench:' || n)::bytea), 'hex') AS clear
      FROM generate_series(0, $1::int) AS n) AS keys`,
    [scale.keys - 1],
  )
  await database.query(`INSERT INTO upstreams (id, name, base_url) VALUES ('ups_bench', 'bench', $1)`, [
    `http://127.0.0.1:${upstreamPort}`,
  ])
  await database.query(
    `INSERT INTO routes (id, name, path_pattern, upstream_id, methods)
    SELECT 'rte_' || lpad(n::text, 26, '0'), 'service ' || n, '/api/service-' || n || '/*', 'ups_bench', '{GET,POST}'
    FROM generate_series(0, $1::int) AS n`,
    [scale.routes - 1],
  )
}
