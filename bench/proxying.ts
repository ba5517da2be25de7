import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LoadReport } from './load.ts'
import {
  cpuTime,
  measuredCore,
  messageOf,
  otherCore,
  pinThis,
  startNode,
  startPinned,
  type BenchProcess,
  type CpuTime,
} from './processes.ts'
import { scenarios, type Scale, type Scenario } from './requests.ts'
import { startApigate, type ApigateSubject } from './subjects/apigate.ts'
import { startInstalled } from './subjects/installed.ts'

/**
 * CPU time per proxied request over 64 keep-alive connections of an APIGate worker with its whole policy on, and of plain
 * proxies, from the operating system's accounting of each process. Load, upstream and subject share one core, and nothing else
 * is on it; the rounds are interleaved in random order. The other core is busy for all of them: what counts and stores usage
 * would else slow down one subject only, as cores share caches and often more.
 */
const connections = 64
const setting = (name: string, preset: number): number => Number(process.env[`BENCH_${name}`] ?? preset)
const rounds = setting('ROUNDS', 7)
const requests = setting('REQUESTS', 10_000)
const warmUpRequests = setting('WARM_UP', 60_000)
/** Before each round, not measured: caches and leases are those of a worker under load, and not of one that idled. */
const leadIn = Math.ceil(requests / 2)
const chosen = (process.env['BENCH_SCENARIOS'] ?? Object.keys(scenarios).join()).split(',') as Scenario[]
const full: Scale = {
  routes: setting('ROUTES', 1_000),
  keys: setting('KEYS', 1_000_000),
  keysUsed: setting('KEYS_USED', 1_000),
}
/** What a large installation has. */
const large: Scale = { ...full, routes: setting('MANY_ROUTES', 100_000) }
const small: Scale = { routes: 10, keys: 1_000, keysUsed: 1_000 }

type Sample = CpuTime & { perSecond: number }

interface Subject {
  name: string
  process: BenchProcess
  port: number
  /** Of the requests that it gets. */
  scale: Scale
  samples: Record<string, Sample[]>
}

pinThis(otherCore)
const load = startNode('load.ts', [], measuredCore)
await messageOf(load)

async function drive({ name, port, scale }: Subject, scenario: Scenario, count: number): Promise<number> {
  load.child.send({ port, scenario, scale, connections, requests: count })
  const { report, error } = await messageOf<{ report?: LoadReport; error?: string }>(load)
  if (!report) throw new Error(`${name}: ${error}`)
  const wrong = Object.keys(report.statuses).filter((status) => status !== '200')
  if (wrong.length > 0) throw new Error(`${name} answered ${JSON.stringify(report.statuses)}`)
  return report.seconds
}

async function measure(subject: Subject, scenario: Scenario): Promise<void> {
  await drive(subject, scenario, leadIn)
  const before = cpuTime(subject.process.pid)
  const seconds = await drive(subject, scenario, requests)
  // The usage of the last answers is still to be shipped, and part of what they cost.
  await sleep(300)
  const after = cpuTime(subject.process.pid)
  const microseconds = (part: keyof CpuTime): number => ((after[part] - before[part]) / requests) * 1e6
  ;(subject.samples[scenario] ??= []).push({
    total: microseconds('total'),
    user: microseconds('user'),
    system: microseconds('system'),
    perSecond: requests / seconds,
  })
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN

function shuffled<T>(items: T[]): T[] {
  const keyed = items.map((item) => ({ item, key: Math.random() }))
  return keyed.toSorted((a, b) => a.key - b.key).map(({ item }) => item)
}

function print(scenario: Scenario): void {
  const valuesOf = ({ samples }: Subject, part: keyof Sample): number[] => (samples[scenario] ?? []).map((s) => s[part])
  const totalOf = (name: string): number => {
    const subject = subjects.find((each) => each.name.startsWith(name))
    return subject === undefined ? NaN : median(valuesOf(subject, 'total'))
  }
  const bases = ['http-proxy-3', 'undici', 'caddy'].filter((name) => !Number.isNaN(totalOf(name)))
  console.log(`\n## ${scenarios[scenario].title}\n`)
  console.log(`| subject | total | user | system | requests/s |${bases.map((name) => ` × ${name} |`).join('')}`)
  console.log(`|---|---|---|---|---|${'---|'.repeat(bases.length)}`)
  for (const subject of subjects) {
    const totals = valuesOf(subject, 'total')
    const spread = `${Math.min(...totals).toFixed(1)}–${Math.max(...totals).toFixed(1)}`
    const cells = [
      `${median(totals).toFixed(1)} (${spread})`,
      ...(['user', 'system'] as const).map((part) => median(valuesOf(subject, part)).toFixed(1)),
      median(valuesOf(subject, 'perSecond')).toFixed(0),
      ...bases.map((name) => (median(totals) / totalOf(name)).toFixed(2)),
    ]
    console.log(`| ${[subject.name, ...cells].join(' | ')} |`)
  }
}

const upstream = startNode('upstream.ts', [], measuredCore)
const upstreamPort = (await messageOf<{ ready: number }>(upstream)).ready
const workers: ApigateSubject[] = []
const subjects: Subject[] = []
for (const scale of [full, large, small]) {
  const worker = await startApigate(upstreamPort, scale)
  const name = `APIGate, full policy, ${scale.routes.toLocaleString('en')} routes, ${scale.keys.toLocaleString('en')} keys`
  workers.push(worker)
  subjects.push({ name, ...worker, scale, samples: {} })
}
for (const [name, file] of [
  ['undici dispatch, bare', 'subjects/undici.ts'],
  ['http-proxy-3, bare', 'subjects/http-proxy-3.ts'],
  ['@fastify/http-proxy', 'subjects/fastify.ts'],
] as const) {
  const process = startNode(file, [String(upstreamPort)], measuredCore)
  const { ready } = await messageOf<{ ready: number }>(process)
  subjects.push({ name, process, port: ready, scale: full, samples: {} })
}
for (const installed of await startInstalled(upstreamPort)) subjects.push({ ...installed, scale: full, samples: {} })

console.log(
  `Node ${process.versions.node}, ${os.cpus()[0]?.model.trim()}, ${os.cpus().length} cores, Linux ${os.release()}`,
)
console.log(`${rounds} rounds of ${requests} requests, medians (lowest–highest), CPU µs per request`)
const neighbour =
  otherCore === measuredCore
    ? null
    : startPinned(
        ['nice', '-n', '19', process.execPath, path.resolve(import.meta.dirname, 'neighbour.ts')],
        otherCore,
        'inherit',
      )
let sent = 0
for (const scenario of chosen) {
  const warmUp = sent === 0 ? warmUpRequests : Math.ceil(warmUpRequests / 4)
  for (const subject of subjects) await drive(subject, scenario, warmUp)
  for (let round = 0; round < rounds; round++)
    for (const subject of shuffled(subjects)) await measure(subject, scenario)
  sent += warmUp + rounds * (leadIn + requests)
  print(scenario)
}

const deadline = Date.now() + 60_000
const isShort = async (): Promise<boolean> =>
  (await Promise.all(workers.map((worker) => worker.ledgerEvents()))).some((events) => events < sent)
while ((await isShort()) && Date.now() < deadline) await sleep(200)
for (const worker of workers) console.log(`\nIn the ledger: ${await worker.ledgerEvents()} events of ${sent} requests.`)

for (const worker of workers) await worker.stop()
for (const { process } of subjects.slice(workers.length)) process.child.kill()
upstream.child.kill()
load.child.kill()
neighbour?.child.kill()
