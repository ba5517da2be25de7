import os from 'node:os'
import type { LoopDelay } from './propagation/loop.probe.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppliedRevisions, makeChanges, type ChangesReport, type Propagation } from './propagation/changes.ts'
import { insertChange, insertChanges, manyKeys, manyRoutes } from './propagation/configuration.ts'
import { Phases } from './propagation/phases.ts'
import { snapshotPolicy } from '../apps/control-plane/src/config-publisher/snapshot.policy.ts'
import { once, startSystem, type BenchWorker } from './propagation/system.ts'

/**
 * From an admin's write to every worker: on PostgreSQL, NATS, Redis, `api`, `jobs` and three workers, with requests running.
 * A worker has a revision when it says so itself. Prints tables; see bench/README.md.
 */
const number = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise)
const scale = { keys: number('BENCH_KEYS', 1_000_000), routes: number('BENCH_ROUTES', 1_000) }
const keyChanges = number('BENCH_KEY_CHANGES', 1_000)
const routeChanges = number('BENCH_ROUTE_CHANGES', 100)
const changesPerSecond = number('BENCH_CHANGES_PER_SECOND', 20)
const burstChanges = number('BENCH_BURST_CHANGES', 200)
/** Of keys, while a snapshot is made that is due after changes of keys all over the table; 0: not measured. */
const snapshotChanges = number('BENCH_SNAPSHOT_CHANGES', 300)
const perSecond = number('BENCH_PER_SECOND', 2_000)
const quietSeconds = number('BENCH_QUIET_SECONDS', 15)
const bulkKeys = number('BENCH_BULK_KEYS', 100_000)
const bulkRoutes = number('BENCH_BULK_ROUTES', 10_000)

const startedMs = performance.now()
const say = (text: string): void => console.error(`[${((performance.now() - startedMs) / 1_000).toFixed(0)} s] ${text}`)
/** Of nothing there is no time: NaN here, null from another process. */
const ms = (value: number | null): string => (Number.isFinite(value) ? value!.toFixed(1) : '–')
const quantile = (values: number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN

const system = await startSystem(scale)
say('the configuration is in the database')
const firstSnapshot = await system.snapshotMade()
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

const applied = new AppliedRevisions(workers)
await system.onStatus(applied.hear)
const load = system.startLoad()
await once(load, 'message')
load.send({
  ports: workers.map(({ port }) => port),
  path: `/api/service-${Math.ceil(scale.routes / 2)}/items/42`,
  keys: system.keys,
  perSecond,
})
await once(load, 'message')
const phases = new Phases(load, workers, () => ({
  ...system.pids(),
  ...Object.fromEntries(workers.map(({ name, pid }) => [name, pid])),
  load: load.pid as number,
  bench: process.pid,
}))

const order = { ...system, workers, ofRoutes: scale.routes }
// What is written for the first time is compiled for the first time, in every process.
await makeChanges({ ...order, keys: 200, routes: 20, perSecond: changesPerSecond }, applied)
await phases.whenQuiet()
say('warm')
await phases.keep('no changes', () => sleep(quietSeconds * 1_000))

const paced = await changes(keyChanges, routeChanges, changesPerSecond)
await phases.whenQuiet()
await phases.keep('no changes, again', () => sleep(quietSeconds * 1_000))
const burst = burstChanges > 0 ? await changes(burstChanges, Math.ceil(burstChanges / 10), null) : null
const beside = snapshotChanges > 0 ? await changesBesideASnapshot() : null
if (bulkKeys > 0) await bulk('more', phases)
load.send('stop')
const turns: { while: string; turns: LoopDelay['turns'] }[] = []
if (bulkKeys > 0) await bulkAlone()

async function changes(keys: number, routes: number, pace: number | null, while_ = ''): Promise<ChangesReport> {
  let report: ChangesReport | undefined
  const how = pace === null ? 'one after another' : `${pace} a second`
  await phases.keep(`${keys} key changes and ${routes} route changes, ${how}${while_}`, async () => {
    report = await makeChanges({ ...order, keys, routes, perSecond: pace }, applied)
  })
  return report!
}

/** Brings the publisher to where the next changes make it due, of changed keys all over the table. */
async function changesBesideASnapshot(): Promise<ChangesReport> {
  const { rows } = await system.database.query<{ revision: string }>('SELECT revision FROM config_head')
  const since = Number(rows[0]?.revision) - firstSnapshot
  const due = Math.max(snapshotPolicy.everyChanges, ((scale.keys * 3) / 2) * snapshotPolicy.everyShare)
  await applied.at(await insertChanges(system.database, Math.max(1, Math.floor(due - since - changesPerSecond * 2))))
  await phases.whenQuiet()
  const report = await changes(snapshotChanges, 0, changesPerSecond, ', a snapshot among them')
  const revision = await system.snapshotMade(firstSnapshot)
  say(`the snapshot that came among them is of revision ${revision}`)
  return report
}

/** What one worker does in a turn of its event loop, by CPU time, while nothing else is at work. */
async function bulkAlone(): Promise<void> {
  const [worker, ...others] = workers.splice(0)
  for (const other of others) await other.stop()
  workers.push(worker!)
  applied.forget(others)
  await sleep(2_000)
  await worker!.measureTurns()
  await bulk('alone', {
    async keep(name, run) {
      await worker!.loopDelay()
      await run()
      turns.push({ while: name, turns: (await worker!.loopDelay()).turns })
    },
  })
}

async function bulk(name: string, into: Pick<Phases, 'keep'>): Promise<void> {
  await into.keep('nothing', () => sleep(2_000))
  await into.keep(`one change of ${bulkKeys} keys`, async () =>
    applied.at(await insertChange(system.database, manyKeys, bulkKeys, name)),
  )
  await into.keep(`one change of ${bulkRoutes} routes`, async () =>
    applied.at(await insertChange(system.database, manyRoutes, bulkRoutes, name)),
  )
  await into.keep('a new epoch: each worker loads the whole snapshot', async () => {
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
  })
}

console.log(
  `\nNode ${process.versions.node}, ${os.cpus()[0]?.model.trim()}, ${os.cpus().length} cores, Linux ${os.release()}`,
)
console.log(
  `3 workers, ${scale.keys} keys of ${scale.keys / 2} users, ${scale.routes} routes, ${perSecond} requests/s\n`,
)
console.log(
  '| write to applied on all workers, ms | p50 | p99 | max | from the answer: p50 | p99 | undisturbed | p50 | p99 |\n|---|---|---|---|---|---|---|---|---|',
)
function row(name: string, { fromDue, fromAnswer, calm }: Propagation): void {
  const cells = [quantile(fromDue, 0.5), quantile(fromDue, 0.99), Math.max(...fromDue)]
  cells.push(quantile(fromAnswer, 0.5), quantile(fromAnswer, 0.99))
  const undisturbed = [quantile(calm, 0.5), quantile(calm, 0.99)]
  console.log(
    `| ${fromDue.length} changes of ${name} | ${cells.map(ms).join(' | ')} | ${calm.length} | ${undisturbed.map(ms).join(' | ')} |`,
  )
}
for (const [how, report] of [
  [`${changesPerSecond} changes a second`, paced],
  ['one after another', burst],
  [`${changesPerSecond} a second, a snapshot among them`, beside],
] as const) {
  if (report === null) continue
  row(`keys, ${how}`, report.keys)
  if (report.routes.fromDue.length > 0) row(`routes, ${how}`, report.routes)
}
console.log(
  `\nAnswers that did not fit a change that was applied: ${paced.wrong + (burst?.wrong ?? 0) + (beside?.wrong ?? 0)}.\n`,
)
console.log(
  '| while | requests | not 200 | request p50, ms | p99 | max | undisturbed | p50 | p99 | stolen, % | event loop delay p99 | max |\n|---|---|---|---|---|---|---|---|---|---|---|---|',
)
for (const { name, requests, loopP99Ms, loopMaxMs } of phases.measured) {
  const others = requests.requests - (requests.statuses['200'] ?? 0)
  console.log(
    `| ${name} | ${requests.requests} | ${others} | ${ms(requests.p50Ms)} | ${ms(requests.p99Ms)} | ${ms(requests.maxMs)} | ${requests.calm.requests} | ${ms(requests.calm.p50Ms)} | ${ms(requests.calm.p99Ms)} | ${ms(requests.stolenShare * 100)} | ${ms(loopP99Ms)} | ${ms(loopMaxMs)} |`,
  )
}
const parts = Object.keys(phases.measured[0]?.cpu ?? {})
console.log(`\n| CPU, % of a core, while | ${parts.join(' | ')} |\n|---|${'---|'.repeat(parts.length)}`)
for (const { name, cpu, seconds } of phases.measured) {
  console.log(`| ${name} | ${parts.map((part) => (((cpu[part] ?? 0) / seconds) * 100).toFixed(0)).join(' | ')} |`)
}
if (turns.length > 0) {
  console.log(
    '\n| one worker alone, while | turns | longest, CPU ms | above 5 ms | above 10 ms |\n|---|---|---|---|---|',
  )
  for (const { while: what, turns: of } of turns) {
    console.log(`| ${what} | ${of.count} | ${ms(of.longestMs)} | ${of.above5Ms} | ${of.above10Ms} |`)
  }
}
console.log(
  `\nReady after start: from the feed ${ready.feed.map(ms).join(', ')} ms; from disk, without NATS, ${ready.disk.map(ms).join(', ')} ms.`,
)
await system.stop()
