import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLogger, openConfigFeedWriter } from '@apigate/platform'
import { freePort } from '../scripts/ports.mjs'
import { startNats, startRedis } from '../scripts/servers.mjs'
import { cpuTime } from './processes.ts'
import { packSnapshot } from './start/snapshot.ts'

/**
 * How long a worker takes from the start of its process until it is ready, and its CPU time by then: from the object store, from the
 * copy on its disk while NATS is there, and from that copy alone. Of several builds in turns; see bench/README.md.
 */
const number = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise)
const readyMsMax = 60_000
const rounds = number('BENCH_ROUNDS', 3)
const [keys, routes] = [number('BENCH_KEYS', 1_000_000), number('BENCH_ROUTES', 1_000)]
/** Behind a start from the object store alone, which leaves the copy on disk. */
const ways = process.env['BENCH_WAYS']?.split(',') ?? ['disk and object store', 'disk']
const here = path.resolve(import.meta.dirname, '../apps/proxy/dist/main.js')
const mains = process.env['BENCH_MAINS']?.split(',').map((file) => path.resolve(file)) ?? [here]

const scratch = mkdtempSync(path.join(os.tmpdir(), 'apigate-start-'))
const nats = await startNats(path.join(scratch, 'nats'))
const redis = await startRedis(scratch)
const { pointer, body } = packSnapshot(keys, routes)
const log = createLogger({ name: 'bench', level: 'silent' })
const feed = openConfigFeedWriter({ databaseUrl: null, natsUrl: nats.url, redisUrl: null }, log)
await feed.head()
await feed.putSnapshot(pointer, body)
await feed.close()
console.error(`${keys} keys, ${(body.length / 1e6).toFixed(1)} MB`)

interface Start {
  seconds: number
  cpuSeconds: number
}

async function start(main: string, dir: string, natsUrl: string): Promise<Start> {
  const [port, statusPort] = [await freePort(), await freePort()]
  const began = performance.now()
  const child = spawn(process.execPath, [...(process.env['BENCH_OPTIONS']?.split(' ') ?? []), main], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      ...{ NODE_ENV: 'production', LOG_LEVEL: 'error', APIGATE_DRAIN_SECONDS: '0' },
      ...{ NATS_URL: natsUrl, REDIS_URL: redis.url, APIGATE_WORKER_ID: 'w', APIGATE_DATA_DIR: dir },
      ...{ APIGATE_PROXY_PORT: String(port), APIGATE_STATUS_PORT: String(statusPort) },
      APIGATE_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    },
  })
  try {
    await isReady(statusPort)
    return { seconds: (performance.now() - began) / 1_000, cpuSeconds: cpuTime(child.pid as number).total }
  } finally {
    await end(child)
  }
}

async function isReady(port: number): Promise<void> {
  const until = performance.now() + readyMsMax
  while (!(await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null))?.ok) {
    if (performance.now() > until) throw new Error('a worker is not ready after a minute')
    await sleep(10)
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await ended
}

const measured = new Map<string, Start[]>()
try {
  for (let round = 0; round < rounds; round++) {
    // Each in front as often as behind: a machine that becomes slower is not taken for the later one's fault.
    for (const n of round % 2 === 0 ? mains.keys() : [...mains.keys()].toReversed()) {
      const main = mains[n]!
      const dir = path.join(scratch, `worker ${n} ${round}`)
      const { 'object store': cold, ...others } = {
        'object store': await start(main, dir, nats.url),
        'disk and object store': ways.includes('disk and object store') ? await start(main, dir, nats.url) : null,
        disk: ways.includes('disk') ? await start(main, dir, 'nats://127.0.0.1:9') : null,
      }
      for (const [way, took] of Object.entries({ 'object store': cold, ...others })) {
        if (took === null) continue
        const name = `${way} | ${mains.length > 1 ? main : 'this build'}`
        measured.set(name, [...(measured.get(name) ?? []), took])
        console.error(`${name}: ${took.seconds.toFixed(2)} s, CPU ${took.cpuSeconds.toFixed(2)} s`)
      }
      rmSync(dir, { recursive: true, force: true })
    }
  }
} finally {
  nats.stop()
  redis.stop()
  rmSync(scratch, { recursive: true, force: true })
}

console.log('\n| from | build | ready after, s | least | CPU, s | least |\n|---|---|---|---|---|---|')
for (const [name, starts] of measured) {
  const cells = [starts.map(({ seconds }) => seconds), starts.map(({ cpuSeconds }) => cpuSeconds)].flatMap((of) => [
    of.map((value) => value.toFixed(2)).join(', '),
    Math.min(...of).toFixed(2),
  ])
  console.log(`| ${name} | ${cells.join(' | ')} |`)
}
