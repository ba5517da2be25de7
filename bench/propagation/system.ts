import { randomBytes } from 'node:crypto'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { applyMigrations, createLogger, openConfigFeedReader, openFleetBus, type FleetBus } from '@apigate/platform'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../scripts/embedded-postgres.mjs'
import { freePort } from '../../scripts/ports.mjs'
import { startNats, startRedis } from '../../scripts/servers.mjs'
import { insertConfiguration, type Scale } from './configuration.ts'
import type { LoopDelay } from './loop.probe.ts'

const root = path.resolve(import.meta.dirname, '../..')

export interface BenchWorker {
  name: string
  port: number
  pid: number
  /** From the start of the process until it was ready. */
  readyMs: number
  /** Delay of its event loop since the last call. */
  loopDelay(): Promise<LoopDelay>
  /** From now on turns of its event loop are measured, too. */
  measureTurns(): Promise<void>
  stop(): Promise<void>
}

/** The deployment on servers of its own: PostgreSQL, NATS, Redis, `api`, `jobs` and an upstream; workers are added. */
export async function startSystem(scale: Scale) {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'apigate-bench-'))
  const postgres = await startEmbeddedPostgres({ dir: path.join(scratch, 'postgres'), ephemeral: true })
  const nats = await startNats(path.join(scratch, 'nats'))
  const redis = await startRedis(scratch)
  const children: ChildProcess[] = []
  const adminKey = `ak_${randomBytes(32).toString('hex')}`
  const [adminPort, jobsPort] = [await freePort(), await freePort()]
  const env = {
    ...process.env,
    ...{ NODE_ENV: 'production', LOG_LEVEL: 'warn', APIGATE_DRAIN_SECONDS: '0' },
    ...{ DATABASE_URL: postgres.url, NATS_URL: nats.url, REDIS_URL: redis.url },
    APIGATE_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    APIGATE_ADMIN_KEY: adminKey,
    APIGATE_ADMIN_PORT: String(adminPort),
    APIGATE_JOBS_STATUS_PORT: String(jobsPort),
  }
  const start = (file: string, over: Record<string, string> = {}, options: string[] = []): ChildProcess => {
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const
    const child = spawn(process.execPath, [...options, path.join(root, file)], {
      env: { ...env, ...over },
      stdio: [...stdio],
    })
    children.push(child)
    return child
  }

  await applyMigrations(postgres.url, path.join(root, 'prisma/migrations'))
  const database = new pg.Client({ connectionString: postgres.url })
  await database.connect()
  const upstream = start('bench/upstream.ts')
  const [{ ready: upstreamPort }] = (await once(upstream, 'message')) as [{ ready: number }]
  const keys = await insertConfiguration(database, upstreamPort, scale)
  const api = start('apps/control-plane/dist/main.api.js')
  const jobs = start('apps/control-plane/dist/main.jobs.js')
  await isReady(adminPort)
  const transport = { databaseUrl: postgres.url, natsUrl: nats.url, redisUrl: redis.url }
  const log = createLogger({ name: 'bench', level: 'silent' })
  const [bus, feed] = [openFleetBus(transport, log), openConfigFeedReader(transport, log)]

  return {
    database,
    keys,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    adminKey,
    /** What runs beside the workers. */
    pids: () => ({
      ...{ postgres: postgres.pid, nats: nats.pid, redis: redis.pid },
      ...{ api: api.pid as number, jobs: jobs.pid as number, upstream: upstream.pid as number },
    }),
    /** Everything that workers say of themselves, as it comes. */
    onStatus: (listener: Parameters<FleetBus['onStatus']>[0]) => bus.onStatus(listener),
    /** When `jobs` has put a snapshot on the feed that is newer than this revision: its own. */
    async snapshotMade(after = -1): Promise<number> {
      for (;;) {
        const snapshot = await feed.latestSnapshot().catch(() => null)
        if (snapshot !== null && snapshot.pointer.revision > after) return snapshot.pointer.revision
        await sleep(100)
      }
    },
    /** @param natsUrl another one: a worker that cannot reach it has the copy on disk alone */
    async startWorker(name: string, natsUrl = nats.url): Promise<BenchWorker> {
      const [port, statusPort] = [await freePort(), await freePort()]
      const startedMs = performance.now()
      const child = start(
        'apps/proxy/dist/main.js',
        {
          ...{ NATS_URL: natsUrl, APIGATE_WORKER_ID: name, APIGATE_DATA_DIR: path.join(scratch, name) },
          ...{ APIGATE_PROXY_PORT: String(port), APIGATE_STATUS_PORT: String(statusPort) },
        },
        ['--import', path.join(import.meta.dirname, 'loop.probe.ts')],
      )
      await isReady(statusPort)
      return {
        name,
        port,
        pid: child.pid as number,
        readyMs: performance.now() - startedMs,
        async loopDelay() {
          child.send('report')
          const [delay] = (await once(child, 'message')) as [LoopDelay]
          return delay
        },
        async measureTurns() {
          child.send('turns')
          await once(child, 'message')
        },
        stop: () => end(child),
      }
    },
    startLoad: () => start('bench/propagation/paced.load.ts'),
    async stop() {
      await Promise.all(children.map(end))
      await Promise.all([bus.close(), feed.close()])
      await database.end()
      nats.stop()
      redis.stop()
      await postgres.stop()
      rmSync(scratch, { recursive: true, force: true })
    },
  }
}

export async function once(child: ChildProcess, event: string): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`${child.spawnargs.join(' ')} ended with ${code}`))
    child.once('exit', onExit)
    child.once(event, (...values) => {
      child.off('exit', onExit)
      resolve(values)
    })
  })
}

async function isReady(port: number): Promise<void> {
  while (!(await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null))?.ok) await sleep(25)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await ended
}
