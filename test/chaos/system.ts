import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { applyMigrations } from '@apigate/platform'
import { migrationsDir, waitFor } from '@apigate/testing'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../scripts/embedded-postgres.mjs'
import { freePort } from '../../scripts/ports.mjs'
import { faults } from './faults/faults.mjs'
import { partOf, type Part } from './part.ts'

export interface ChaosSystem {
  parts: Part[]
  databaseUrl: string
  natsUrl: string
  redisUrl: string
  /** In the order of their names. */
  proxies: { url: string; statusUrl: string }[]
  adminUrls: string[]
  adminKey: string
  admin(method: string, route: string, attributes?: object): Promise<any>
  stop(): Promise<void>
}

export interface ChaosSystemOptions {
  /** For which a process serves on when it is told to end. */
  drainSeconds?: number
  /** Another PostgreSQL than the one that `npm start` brings: the folder that has `bin/postgres`. */
  native?: string | undefined
  /** Default: a new one. */
  encryptionKey?: string
  /** What is broken on purpose, of `faults`. */
  fault?: string | null
}

const root = path.resolve(import.meta.dirname, '../..')
const injectFile = path.join(import.meta.dirname, 'faults/inject.mjs')

/** PostgreSQL, NATS, Redis, two control planes of an API and a jobs process each, and three proxies. */
export async function startChaosSystem(
  dir: string,
  {
    drainSeconds = 0,
    native,
    encryptionKey = randomBytes(32).toString('base64'),
    fault = null,
  }: ChaosSystemOptions = {},
): Promise<ChaosSystem> {
  const parts: Part[] = []
  const logOf = (name: string): string => path.join(dir, `${name}.log`)
  const begin = async (part: Part): Promise<Part> => {
    parts.push(part)
    await part.start()
    return part
  }
  const stop = async (): Promise<void> => {
    await Promise.all(parts.map((part) => part.kill()))
  }
  try {
    const postgres = await postgresPart(path.join(dir, 'postgres'), native)
    parts.push(postgres.part)
    await applyMigrations(postgres.url, migrationsDir)
    const natsPort = await freePort()
    const natsDir = path.join(dir, 'nats')
    const nats = ['-js', '-a', '127.0.0.1', '-p', String(natsPort), '-sd', natsDir]
    await begin(partOf({ name: 'nats', file: 'nats-server', args: nats, logFile: logOf('nats'), ready: natsPort }))
    const redisPort = await freePort()
    mkdirSync(path.join(dir, 'redis'))
    const redis = [
      ...['--bind', '127.0.0.1', '--port', String(redisPort), '--dir', path.join(dir, 'redis')],
      ...['--appendonly', 'yes', '--save', '', '--maxmemory-policy', 'noeviction'],
    ]
    await begin(partOf({ name: 'redis', file: 'redis-server', args: redis, logFile: logOf('redis'), ready: redisPort }))
    const adminKey = `ak_${randomBytes(32).toString('hex')}`
    const env = {
      ...process.env,
      NODE_ENV: 'production',
      DATABASE_URL: postgres.url,
      NATS_URL: `nats://127.0.0.1:${natsPort}`,
      REDIS_URL: `redis://127.0.0.1:${redisPort}`,
      APIGATE_ENCRYPTION_KEY: encryptionKey,
      APIGATE_DRAIN_SECONDS: String(drainSeconds),
    }
    const node = async (name: string, file: string, more: NodeJS.ProcessEnv, port: number): Promise<Part> => {
      const settings = { ...env, ...more }
      const isBroken = fault !== null && name.startsWith(faults[fault]!.part)
      const inject = isBroken ? ['--import', `${pathToFileURL(injectFile).href}?${fault}`] : []
      const args = [...inject, path.join(root, file)]
      const ready = `http://127.0.0.1:${port}/readyz`
      return begin(partOf({ name, file: process.execPath, args, env: settings, logFile: logOf(name), ready }))
    }
    const adminUrls: string[] = []
    const proxies: ChaosSystem['proxies'] = []
    const controlPlanes = [1, 2].map(async (n) => {
      const [adminPort, jobsPort] = [await freePort(), await freePort()]
      adminUrls[n - 1] = `http://127.0.0.1:${adminPort}`
      const ofApi = { APIGATE_ADMIN_PORT: String(adminPort), APIGATE_ADMIN_KEY: adminKey }
      const ofJobs = { APIGATE_JOBS_STATUS_PORT: String(jobsPort) }
      await Promise.all([
        node(`api-${n}`, 'apps/control-plane/dist/main.api.js', ofApi, adminPort),
        node(`jobs-${n}`, 'apps/control-plane/dist/main.jobs.js', ofJobs, jobsPort),
      ])
    })
    await Promise.all(controlPlanes)
    const workers = [1, 2, 3].map(async (n) => {
      const [proxyPort, statusPort] = [await freePort(), await freePort()]
      const ofProxy = {
        APIGATE_PROXY_PORT: String(proxyPort),
        APIGATE_STATUS_PORT: String(statusPort),
        APIGATE_WORKER_ID: `proxy-${n}`,
        APIGATE_DATA_DIR: path.join(dir, `proxy-${n}`),
        // A machine that is only busy must not look like a Redis that is away.
        APIGATE_LIMITS_TIMEOUT_MS: '1000',
      }
      proxies[n - 1] = { url: `http://127.0.0.1:${proxyPort}`, statusUrl: `http://127.0.0.1:${statusPort}` }
      await node(`proxy-${n}`, 'apps/proxy/dist/main.js', ofProxy, statusPort)
    })
    await Promise.all(workers)
    // The seed chooses by position.
    const ordered = parts.toSorted((a, b) => a.name.localeCompare(b.name))
    return {
      parts: ordered,
      databaseUrl: postgres.url,
      natsUrl: env.NATS_URL,
      redisUrl: env.REDIS_URL,
      proxies,
      adminUrls,
      adminKey,
      async admin(method, route, attributes) {
        const response = await fetch(`${adminUrls[0]}${route}`, {
          method,
          headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
          ...(attributes ? { body: JSON.stringify(attributes) } : {}),
        })
        const document = await response.json()
        if (!response.ok) throw new Error(`${method} ${route}: ${JSON.stringify(document)}`)
        return document
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** As `npm start` brings it, on a port of its own: a killed one is started again on its data. */
async function postgresPart(dir: string, native: string | undefined): Promise<{ url: string; part: Part }> {
  const port = await freePort()
  const options = { dir, port, ...(native && { native }) }
  let running = await startEmbeddedPostgres(options)
  const url = await ownDatabase(running.url)
  const group = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-running.pid, signal)
    } catch {
      // It has ended.
    }
  }
  const part: Part = {
    name: 'postgres',
    get pid() {
      return running.pid
    },
    async start() {
      running = await waitFor(() => startEmbeddedPostgres(options), { timeoutMs: 30_000, what: 'PostgreSQL' })
    },
    async kill() {
      group('SIGKILL')
      await waitFor(() => !isAlive(running.pid), { what: 'the end of PostgreSQL' })
    },
    async end() {
      await running.stop()
      return 0
    },
    pause: () => group('SIGSTOP'),
    resume: () => group('SIGCONT'),
  }
  return { url, part }
}

/** The server's own database cannot be dropped. */
async function ownDatabase(serverUrl: string): Promise<string> {
  const client = new pg.Client(serverUrl)
  await client.connect()
  await client.query('CREATE DATABASE apigate')
  await client.end()
  const url = new URL(serverUrl)
  url.pathname = '/apigate'
  return url.href
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
