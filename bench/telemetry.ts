import { setTimeout as sleep } from 'node:timers/promises'
import { startOtlpReceiver } from '@apigate/testing'
import type { LoadReport } from './load.ts'
import { cpuSeconds, measuredCore, messageOf, startNode } from './processes.ts'
import type { Scale } from './requests.ts'
import { startApigate, type ApigateSubject } from './subjects/apigate.ts'

/**
 * CPU time per request of workers without telemetry and of workers that trace a share of their requests and send their metrics.
 * Two processes of each, since no two runs of one program cost the same; all on one core, in short rounds in turn.
 */
const setting = (name: string, preset: number): number => Number(process.env[`BENCH_${name}`] ?? preset)
const rounds = setting('ROUNDS', 40)
const requests = setting('REQUESTS', 2_000)
const warmUpRequests = setting('WARM_UP', 40_000)
const share = setting('SHARE', 0.01)
const scale: Scale = { routes: 10, keys: 1_000, keysUsed: 1_000 }

interface Subject {
  traces: boolean
  worker: ApigateSubject
  /** CPU µs per request, of each round. */
  costs: number[]
  /** Of all rounds, with what is shipped and exported between them. */
  wholeCost: number
}

/** After which spans that wait are sent (OTEL_BSP_SCHEDULE_DELAY, as it is by default), and a little. */
const exportMs = 5_500

const collector = await startOtlpReceiver()
const upstream = startNode('upstream.ts', [], measuredCore)
const { ready: upstreamPort } = await messageOf<{ ready: number }>(upstream)
const load = startNode('load.ts', [], measuredCore)
await messageOf(load)

async function drive({ worker: { port } }: Subject, count: number): Promise<void> {
  load.child.send({ port, scenario: 'get-1k', scale, connections: 64, requests: count })
  const { report, error } = await messageOf<{ report?: LoadReport; error?: string }>(load)
  if (report?.statuses['200'] !== count) throw new Error(error ?? JSON.stringify(report?.statuses))
}

async function measure(subject: Subject): Promise<void> {
  const { pid } = subject.worker.process
  const before = cpuSeconds(pid)
  await drive(subject, requests)
  await sleep(50)
  subject.costs.push(((cpuSeconds(pid) - before) / requests) * 1e6)
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN

const off = { OTEL_EXPORTER_OTLP_ENDPOINT: '' }
const on = {
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
  OTEL_TRACES_SAMPLER_ARG: String(share),
  OTEL_METRIC_EXPORT_INTERVAL: '10000',
}
const subjects: Subject[] = []
for (const traces of [false, true, false, true]) {
  subjects.push({ traces, worker: await startApigate(upstreamPort, scale, traces ? on : off), costs: [], wholeCost: 0 })
}
for (const subject of subjects) await drive(subject, warmUpRequests)
await sleep(exportMs)
const before = subjects.map(({ worker }) => cpuSeconds(worker.process.pid))
for (let round = 0; round < rounds; round++) {
  // Each begins as often as it ends.
  for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) await measure(subject)
}
await sleep(exportMs)
for (const [n, subject] of subjects.entries()) {
  subject.wholeCost = ((cpuSeconds(subject.worker.process.pid) - before[n]!) / (rounds * requests)) * 1e6
}

const name = (traces: boolean): string => (traces ? `traces of ${share * 100} % and metrics` : 'no telemetry')
console.log(`${rounds} rounds of ${requests} requests, CPU µs per request: median (lowest–highest)`)
for (const { traces, costs, wholeCost } of subjects) {
  const [lowest, highest] = [Math.min(...costs), Math.max(...costs)].map((cost) => cost.toFixed(1))
  const rest = `${median(costs).toFixed(1)} (${lowest}–${highest}); of the whole run ${wholeCost.toFixed(1)}`
  console.log(`${name(traces).padEnd(32)} ${rest}`)
}
/** Both processes together. */
const sumOf = (traces: boolean, cost: (subject: Subject) => number): number =>
  subjects.reduce((sum, subject) => sum + (subject.traces === traces ? cost(subject) : 0), 0)
const ratioOf = (cost: (subject: Subject) => number): number => sumOf(true, cost) / sumOf(false, cost)
const ratios = Array.from({ length: rounds }, (_, round) => ratioOf(({ costs }) => costs[round]!))
console.log(`with ÷ without, median of the rounds: ${median(ratios).toFixed(3)}`)
console.log(`with ÷ without, medians of the processes: ${ratioOf(({ costs }) => median(costs)).toFixed(3)}`)
console.log(`with ÷ without, whole run: ${ratioOf(({ wholeCost }) => wholeCost).toFixed(3)}`)
const sent = 2 * (warmUpRequests + rounds * requests)
const traced = collector.spans.filter(({ kind }) => kind === 'server').length
console.log(
  `the collector got ${traced} server spans of ${sent} requests; metrics of ${collector.metrics.size} service`,
)

for (const { worker } of subjects) await worker.stop()
upstream.child.kill()
load.child.kill()
await collector.close()
