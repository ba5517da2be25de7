import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createTestDatabase, waitFor } from '@apigate/testing'
import { freePort } from '../../scripts/ports.mjs'
import { startNats, startRedis } from '../../scripts/servers.mjs'

/** `embedded`: as `npm start` brings it. `deployment`: the same on a real PostgreSQL, NATS and Redis of its own. */
export type Mode = 'embedded' | 'deployment'
export const modes: Mode[] = ['embedded', 'deployment']

export interface RunningSystem {
  proxyUrl: string
  adminUrl: string
  statusUrl: string
  /** The status port of `jobs`. */
  jobsUrl: string
  /** The sample upstream. */
  echoUrl: string
  dataDir: string
  /** What `npm start` printed. */
  printed: string
  adminKey: string
  sampleKey: string
  /** A request to the admin API with the admin key; the body is a flat object of attributes. */
  admin(
    method: string,
    route: string,
    attributes?: object,
    headers?: Record<string, string>,
  ): Promise<{ status: number; headers: Headers; document: any }>
  /** Starts another proxy worker and answers where it listens; in `deployment` only. */
  addProxy(): Promise<string>
  /** Process ids of the services, in the order of start: echo, api, jobs, proxy. */
  pids(): number[]
  /** Ends the supervisor by that signal, keeping the data, and starts it again on the same ports. Answers what it prints. */
  restart(signal: 'SIGINT' | 'SIGKILL'): Promise<string>
  stop(): Promise<void>
}

const root = path.resolve(import.meta.dirname, '../..')

/**
 * Starts the whole system as `npm start` does after the build, on free ports and a data folder of its own.
 *
 * @param settings more of them, by their names.
 */
export async function startSystem(mode: Mode, settings: Record<string, string> = {}): Promise<RunningSystem> {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'apigate e2e '))
  const dataDir = path.join(scratch, 'data')
  const cleanup: (() => Promise<void> | void)[] = [() => rmSync(scratch, { recursive: true, force: true })]
  const env: Record<string, string | undefined> = { ...process.env, ...settings, APIGATE_DATA_DIR: dataDir }
  for (const name of ['DATABASE_URL', 'NATS_URL', 'REDIS_URL']) delete env[name]
  if (mode === 'deployment') {
    const database = await createTestDatabase()
    const nats = await startNats(path.join(scratch, 'nats'))
    const redis = await startRedis(scratch)
    Object.assign(env, { DATABASE_URL: database.url, NATS_URL: nats.url, REDIS_URL: redis.url })
    cleanup.unshift(
      () => nats.stop(),
      () => redis.stop(),
      () => database.drop(),
    )
  }
  for (const name of ['ADMIN', 'PROXY', 'STATUS', 'JOBS_STATUS', 'ECHO']) {
    env[`APIGATE_${name}_PORT`] = String(await freePort())
  }

  let run = await launch(env)
  const printed = run.printed
  const adminUrl = `http://127.0.0.1:${env['APIGATE_ADMIN_PORT']}`
  const adminKey = /admin key: (ak_[0-9a-f]{64})/.exec(printed)?.[1] ?? ''

  return {
    proxyUrl: `http://127.0.0.1:${env['APIGATE_PROXY_PORT']}`,
    adminUrl,
    statusUrl: `http://127.0.0.1:${env['APIGATE_STATUS_PORT']}`,
    jobsUrl: `http://127.0.0.1:${env['APIGATE_JOBS_STATUS_PORT']}`,
    echoUrl: `http://127.0.0.1:${env['APIGATE_ECHO_PORT']}`,
    dataDir,
    printed,
    adminKey,
    sampleKey: /X-API-Key: (ak_[0-9a-f]{64})/.exec(printed)?.[1] ?? '',
    async admin(method, route, attributes, headers) {
      const response = await fetch(adminUrl + route, {
        method,
        headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json', ...headers },
        ...(attributes ? { body: JSON.stringify(attributes) } : {}),
      })
      const text = await response.text()
      return { status: response.status, headers: response.headers, document: text ? JSON.parse(text) : null }
    },
    async addProxy() {
      const name = `proxy-${await freePort()}`
      const [proxy, status] = [await freePort(), await freePort()]
      const child = spawn(process.execPath, [path.join(root, 'apps/proxy/dist/main.js')], {
        env: {
          ...env,
          APIGATE_PROXY_PORT: String(proxy),
          APIGATE_STATUS_PORT: String(status),
          APIGATE_WORKER_ID: name,
          APIGATE_DATA_DIR: path.join(scratch, name),
          APIGATE_ENCRYPTION_KEY: readFileSync(path.join(dataDir, 'encryption.key'), 'utf8').trim(),
        },
        stdio: 'ignore',
      })
      cleanup.unshift(() => end(child, 'SIGKILL'))
      const isReady = async (): Promise<boolean> =>
        (await fetch(`http://127.0.0.1:${status}/readyz`).catch(() => null))?.ok ?? false
      await waitFor(isReady, { timeoutMs: 30_000 })
      return `http://127.0.0.1:${proxy}`
    },
    pids: () => JSON.parse(readFileSync(path.join(dataDir, 'run.json'), 'utf8')).services.toReversed(),
    async restart(signal) {
      await end(run.process, signal)
      run = await launch(env)
      return run.printed
    },
    async stop() {
      await end(run.process, 'SIGINT')
      for (const step of cleanup) await step()
    },
  }
}

async function launch(env: NodeJS.ProcessEnv): Promise<{ process: ChildProcess; printed: string }> {
  const child = spawn(process.execPath, [path.join(root, 'scripts/start.mjs')], {
    cwd: root,
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let printed = ''
  child.stdout.on('data', (data) => (printed += data))
  let problems = ''
  child.stderr.on('data', (data) => (problems += data))
  await waitFor(() => printed.includes('Ctrl-C') || child.exitCode !== null, { timeoutMs: 90_000 })
  if (child.exitCode !== null) throw new Error(`the system did not start:\n${printed}${problems}`)
  return { process: child, printed }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await ended
}
