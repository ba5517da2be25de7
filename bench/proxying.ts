import os from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuTime, measuredCore, messageOf, startNode, type BenchProcess, type CpuTime } from './processes.ts'
import { startApigate } from './subjects/apigate.ts'

/**
 * CPU time per proxied request (GET, 1 KB answer, 64 keep-alive connections) of an APIGate worker with its whole policy on,
 * of bare http-proxy-3 and of bare undici dispatch, from the operating system's accounting of each process. Load, upstream
 * and subject share one core; the rounds are interleaved in random order.
 */
const connections = 64
const scale = { routes: 1_000, keys: 10_000 }
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5)
const requests = Number(process.env['BENCH_REQUESTS'] ?? 30_000)
const warmUpRequests = Number(process.env['BENCH_WARM_UP'] ?? 30_000)

interface Subject {
  name: string
  process: BenchProcess
  port: number
  path: string
  headers: Record<string, string>
  samples: (CpuTime & { perSecond: number })[]
}

const load = startNode('load.ts', [], measuredCore)
await messageOf(load)

async function drive(subject: Subject, count: number): Promise<number> {
  load.child.send({ port: subject.port, path: subject.path, headers: subject.headers, connections, requests: count })
  const { report, error } = await messageOf<{ report?: { seconds: number; statuses: object }; error?: string }>(load)
  if (!report) throw new Error(`${subject.name}: ${error}`)
  const wrong = Object.keys(report.statuses).filter((status) => status !== '200')
  if (wrong.length > 0) throw new Error(`${subject.name} answered ${JSON.stringify(report.statuses)}`)
  return report.seconds
}

async function measure(subject: Subject): Promise<void> {
  const before = cpuTime(subject.process.pid)
  const seconds = await drive(subject, requests)
  // The usage of the last answers is still to be shipped, and part of what they cost.
  await sleep(300)
  const after = cpuTime(subject.process.pid)
  const microseconds = (part: keyof CpuTime): number => ((after[part] - before[part]) / requests) * 1e6
  subject.samples.push({
    total: microseconds('total'),
    user: microseconds('user'),
    system: microseconds('system'),
    perSecond: requests / seconds,
  })
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number

function shuffled<T>(items: T[]): T[] {
  const keyed = items.map((item) => ({ item, key: Math.random() }))
  return keyed.toSorted((a, b) => a.key - b.key).map(({ item }) => item)
}

const upstream = startNode('upstream.ts', [], measuredCore)
const upstreamPort = (await messageOf<{ ready: number }>(upstream)).ready
const apigate = await startApigate(upstreamPort, scale)
const subjects: Subject[] = [
  { ...apigate, name: `APIGate, full policy (${scale.routes} routes, ${scale.keys} keys)`, samples: [] },
]
for (const [name, file] of [
  ['bare http-proxy-3', 'subjects/http-proxy-3.ts'],
  ['bare undici dispatch', 'subjects/undici.ts'],
] as const) {
  const process = startNode(file, [String(upstreamPort)], measuredCore)
  const { ready } = await messageOf<{ ready: number }>(process)
  subjects.push({ name, process, port: ready, path: '/items/42', headers: {}, samples: [] })
}

for (const subject of subjects) await drive(subject, warmUpRequests)
for (let round = 0; round < rounds; round++) for (const subject of shuffled(subjects)) await measure(subject)

const totals = new Map(subjects.map((subject) => [subject, median(subject.samples.map((sample) => sample.total))]))
const ofSubject = (name: string): number =>
  [...totals].find(([subject]) => subject.name.includes(name))?.[1] ?? Number.NaN
console.log(
  `\nNode ${process.versions.node}, ${os.cpus()[0]?.model.trim()}, ${os.cpus().length} cores, Linux ${os.release()}`,
)
console.log(`${rounds} rounds of ${requests} requests, medians (lowest–highest), CPU µs per request\n`)
console.log('| subject | total | user | system | requests/s | × http-proxy-3 | × undici |')
console.log('|---|---|---|---|---|---|---|')
for (const [subject, total] of totals) {
  const of = (part: keyof Subject['samples'][number]): number[] => subject.samples.map((sample) => sample[part])
  const spread = `${Math.min(...of('total')).toFixed(1)}–${Math.max(...of('total')).toFixed(1)}`
  const ratios = [ofSubject('http-proxy-3'), ofSubject('undici')].map((base) => (total / base).toFixed(2))
  const cells = [
    `${total.toFixed(1)} (${spread})`,
    ...[of('user'), of('system')].map((part) => median(part).toFixed(1)),
  ]
  console.log(`| ${[subject.name, ...cells, median(of('perSecond')).toFixed(0), ...ratios].join(' | ')} |`)
}

const sent = warmUpRequests + rounds * requests
const deadline = Date.now() + 60_000
while ((await apigate.ledgerEvents()) < sent && Date.now() < deadline) await sleep(200)
console.log(`\nIn the ledger: ${await apigate.ledgerEvents()} events of ${sent} requests.`)

await apigate.stop()
for (const { process } of subjects.slice(1)) process.child.kill()
upstream.child.kill()
load.child.kill()
