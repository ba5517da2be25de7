import os from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { insertChange, manyKeys, manyRoutes } from './propagation/configuration.ts'
import type { PacedReport } from './propagation/paced.load.ts'
import { once, startSystem, type BenchWorker } from './propagation/system.ts'

/**
 * From an admin's write to every worker: on PostgreSQL, NATS, Redis, `api`, `jobs` and three workers, with requests running.
 * A worker has a revision when it says so itself. Prints tables; see bench/README.md.
 */
const number = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise)
const scale = { keys: number('BENCH_KEYS', 1_000_000), routes: number('BENCH_ROUTES', 1_000) }
const keyChanges = number('BENCH_KEY_CHANGES', 1_000)
const routeChanges = number('BENCH_ROUTE_CHANGES', 100)
const perSecond = number('BENCH_PER_SECOND', 2_000)
const quietSeconds = number('BENCH_QUIET_SECONDS', 15)
const pauseMs = number('BENCH_PAUSE_MS', 20)
const bulkKeys = number('BENCH_BULK_KEYS', 100_000)
const bulkRoutes = number('BENCH_BULK_ROUTES', 10_000)

const startedMs = performance.now()
const say = (text: string): void => console.error(`[${((performance.now() - startedMs) / 1_000).toFixed(0)} s] ${text}`)
const ms = (value: number): string => value.toFixed(1)
const quantile = (values: number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN

const system = await startSystem(scale)
say('the configuration is in the database')
await system.snapshotMade()
say('the first snapshot is made')

const workers: BenchWorker[] = []
const ready = { feed: [] as number[], disk: [] as number[] }
for (const name of ['w1', 'w2', 'w3']) {
  const worker = await system.startWorker(name)
  ready.feed.push(worker.readyMs)
  workers.push(worker)
}
await workers.pop()?.stop()
const alone = await system.startWorker('w3', 'nats://127.0.0.1:9')
ready.disk.push(alone.readyMs)
await alone.stop()
workers.push(await system.startWorker('w3'))
say(
  `workers are ready: from the feed ${ready.feed.map(ms).join(', ')} ms, from disk ${ready.disk.map(ms).join(', ')} ms`,
)

/** When each worker said first that it has a revision or a later one. */
const heard = new Map<string, { revision: number; atMs: number }[]>(workers.map(({ name }) => [name, []]))
const waiting = new Set<() => void>()
await system.onStatus(({ worker, revision, problem }) => {
  if (problem !== null) say(`${worker}: ${problem}`)
  const ofWorker = heard.get(worker)
  if (ofWorker === undefined || revision === null || revision <= (ofWorker.at(-1)?.revision ?? -1)) return
  ofWorker.push({ revision, atMs: performance.now() })
  for (const look of waiting) look()
})

/** When the last of the workers had it. */
function appliedAt(revision: number): Promise<number> {
  return new Promise((resolve) => {
    const look = (): void => {
      const times = [...heard.values()].map(
        (of) => of.findLast((each, i) => each.revision >= revision && (of[i - 1]?.revision ?? -1) < revision)?.atMs,
      )
      if (times.includes(undefined)) return
      waiting.delete(look)
      resolve(Math.max(...times.map(Number)))
    }
    waiting.add(look)
    look()
  })
}

const load = system.startLoad()
await once(load, 'message')
load.send({
  ports: workers.map(({ port }) => port),
  path: `/api/service-${Math.ceil(scale.routes / 2)}/items/42`,
  keys: system.keys,
  perSecond,
})
await once(load, 'message')
const measured: { phase: string; requests: PacedReport; loop: string }[] = []
async function beginPhase(): Promise<void> {
  load.send('report')
  await once(load, 'message')
  for (const worker of workers) await worker.loopDelay()
}
async function endPhase(phase: string): Promise<void> {
  load.send('report')
  const [requests] = (await once(load, 'message')) as [PacedReport]
  const delays = await Promise.all(workers.map((worker) => worker.loopDelay()))
  const loop = `${ms(Math.max(...delays.map(({ p99Ms }) => p99Ms)))} | ${ms(Math.max(...delays.map(({ maxMs }) => maxMs)))}`
  measured.push({ phase, requests, loop })
  say(`${phase}: ${JSON.stringify(requests)} loop ${loop}`)
}

// Until what piled up while everything was cold has been worked off.
for (let quietRounds = 0, round = 0; quietRounds < 3 && round < 20; round++) {
  await beginPhase()
  await sleep(1_000)
  load.send('report')
  const [{ p50Ms }] = (await once(load, 'message')) as [PacedReport]
  quietRounds = p50Ms < 50 ? quietRounds + 1 : 0
}
say('warm')
await beginPhase()
await sleep(quietSeconds * 1_000)
await endPhase('no changes')

async function write(method: string, route: string, body?: object) {
  const sentMs = performance.now()
  const answer = await fetch(system.adminUrl + route, {
    method,
    headers: { 'x-api-key': system.adminKey, 'content-type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const document = (await answer.json()) as { data: { id: string; meta?: { key?: string } } }
  if (!answer.ok) throw new Error(`${method} ${route}: ${answer.status} ${JSON.stringify(document)}`)
  return { sentMs, answeredMs: performance.now(), revision: Number(answer.headers.get('x-config-revision')), document }
}
interface Propagation {
  fromSent: number[]
  fromAnswer: number[]
}
async function change(into: Propagation, method: string, route: string, body?: object) {
  const written = await write(method, route, body)
  const applied = await appliedAt(written.revision)
  into.fromSent.push(applied - written.sentMs)
  // Workers may be faster than the answer.
  into.fromAnswer.push(Math.max(0, applied - written.answeredMs))
  await sleep(pauseMs)
  return written
}
const statusesOf = (key: string): Promise<number[]> =>
  Promise.all(
    workers.map(
      async ({ port }) =>
        (await fetch(`http://127.0.0.1:${port}/api/service-1/x`, { headers: { 'x-api-key': key } })).status,
    ),
  )

await change({ fromSent: [], fromAnswer: [] }, 'POST', '/api/api-keys', { user_id: 'usr_00000000000000000000000001' })
await beginPhase()
const ofKeys: Propagation = { fromSent: [], fromAnswer: [] }
const ofRoutes: Propagation = { fromSent: [], fromAnswer: [] }
let wrong = 0
for (let n = 0; n < keyChanges / 2; n++) {
  const made = await change(ofKeys, 'POST', '/api/api-keys', { user_id: 'usr_00000000000000000000000001' })
  const { id, meta } = made.document.data
  const isAsked = n % 10 === 0
  if (isAsked && (await statusesOf(meta?.key ?? '')).some((status) => status !== 200)) wrong++
  await change(ofKeys, 'POST', `/api/api-keys/${id}/revoke`)
  if (isAsked && (await statusesOf(meta?.key ?? '')).some((status) => status !== 401)) wrong++
  if (n % Math.ceil(keyChanges / 2 / routeChanges) === 0 && ofRoutes.fromSent.length < routeChanges) {
    await change(ofRoutes, 'PATCH', `/api/routes/rte_${1 + (n % scale.routes)}`, {
      priority: n % 7,
      description: `change ${n}`,
    })
  }
}
await endPhase(`${ofKeys.fromSent.length} key changes and ${ofRoutes.fromSent.length} route changes`)

if (bulkKeys > 0) await bulk()
load.send('stop')

async function bulk(): Promise<void> {
  await beginPhase()
  await appliedAt(await insertChange(system.database, manyKeys, bulkKeys))
  await endPhase(`one change of ${bulkKeys} keys`)
  await beginPhase()
  await appliedAt(await insertChange(system.database, manyRoutes, bulkRoutes))
  await endPhase(`one change of ${bulkRoutes} routes`)
  await beginPhase()
  const epochs = new Map<string, string | null>()
  const { rows } = await system.database.query<{ epoch: string }>(
    'UPDATE config_head SET epoch = gen_random_uuid() RETURNING epoch',
  )
  await new Promise<void>((resolve) => {
    void system.onStatus(({ worker, configEpoch }) => {
      epochs.set(worker, configEpoch)
      if (workers.every(({ name }) => epochs.get(name) === rows[0]?.epoch)) resolve()
    })
  })
  await endPhase('a new epoch: each worker loads the whole snapshot')
}

console.log(
  `\nNode ${process.versions.node}, ${os.cpus()[0]?.model.trim()}, ${os.cpus().length} cores, Linux ${os.release()}`,
)
console.log(
  `3 workers, ${scale.keys} keys of ${scale.keys / 2} users, ${scale.routes} routes, ${perSecond} requests/s\n`,
)
console.log(
  '| write to applied on all workers, ms | p50 | p99 | max | from the answer: p50 | p99 |\n|---|---|---|---|---|---|',
)
for (const [name, { fromSent, fromAnswer }] of [
  ['keys', ofKeys],
  ['routes', ofRoutes],
] as const) {
  const cells = [
    quantile(fromSent, 0.5),
    quantile(fromSent, 0.99),
    Math.max(...fromSent),
    quantile(fromAnswer, 0.5),
    quantile(fromAnswer, 0.99),
  ]
  console.log(`| ${fromSent.length} changes of ${name} | ${cells.map(ms).join(' | ')} |`)
}
console.log(`\nAnswers that did not fit a change that was applied: ${wrong}.\n`)
console.log(
  '| while | requests | not 200 | request p50, ms | p99 | max | event loop delay p99 | max |\n|---|---|---|---|---|---|---|---|',
)
for (const { phase, requests, loop } of measured) {
  const others = requests.requests - (requests.statuses['200'] ?? 0)
  console.log(
    `| ${phase} | ${requests.requests} | ${others} | ${ms(requests.p50Ms)} | ${ms(requests.p99Ms)} | ${ms(requests.maxMs)} | ${loop} |`,
  )
}
console.log(
  `\nReady after start: from the feed ${ready.feed.map(ms).join(', ')} ms; from disk, without NATS, ${ready.disk.map(ms).join(', ')} ms.`,
)
await system.stop()
