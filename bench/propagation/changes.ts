import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FleetBus } from '@apigate/platform'
import { CalmTimes } from './calm.times.ts'
import type { BenchWorker } from './system.ts'

const calmTimes = new CalmTimes()

/** Of one kind of change: how long each took, in ms, in order. */
export interface Propagation {
  /** From the moment when the write was due, */
  fromDue: number[]
  /** or answered, until the last worker had it. */
  fromAnswer: number[]
  /** `fromDue` of those that the host of the machine did not disturb. */
  calm: number[]
}

export interface ChangesReport {
  keys: Propagation
  routes: Propagation
  /** Answers of workers that did not fit a change that was applied. */
  wrong: number
}

export interface ChangesOrder {
  adminUrl: string
  adminKey: string
  workers: BenchWorker[]
  /** Half of them make a key, half revoke one. */
  keys: number
  routes: number
  /** How many routes there are. */
  ofRoutes: number
  /** Writes a second, whatever the answers take; null: each when the one before is applied. */
  perSecond: number | null
}

/** Notes when each worker said first that it has a revision or a later one. */
export class AppliedRevisions {
  readonly #heard: Map<string, { revision: number; atMs: number }[]>
  readonly #waiting = new Set<() => void>()

  constructor(workers: BenchWorker[]) {
    this.#heard = new Map(workers.map(({ name }) => [name, []]))
  }

  readonly hear: Parameters<FleetBus['onStatus']>[0] = ({ worker, revision, problem }) => {
    if (problem !== null) console.error(`${worker}: ${problem}`)
    const of = this.#heard.get(worker)
    if (of === undefined || revision === null || revision <= (of.at(-1)?.revision ?? -1)) return
    of.push({ revision, atMs: performance.now() })
    for (const look of this.#waiting) look()
  }

  /** They are gone: nobody waits for them. */
  forget(workers: BenchWorker[]): void {
    for (const { name } of workers) this.#heard.delete(name)
  }

  /** When the last of the workers had it. */
  at(revision: number): Promise<number> {
    return new Promise((resolve) => {
      const look = (): void => {
        const times = [...this.#heard.values()].map((of) => firstWith(of, revision))
        if (times.includes(undefined)) return
        this.#waiting.delete(look)
        resolve(Math.max(...times.map(Number)))
      }
      this.#waiting.add(look)
      look()
    })
  }
}

function firstWith(heard: { revision: number; atMs: number }[], revision: number): number | undefined {
  let found: number | undefined
  for (let n = heard.length - 1; n >= 0 && heard[n]!.revision >= revision; n--) found = heard[n]!.atMs
  return found
}

const agent = new http.Agent({ keepAlive: true })

/** By Node's own client: `fetch` takes several times the CPU, on the machine that is measured. */
function ask(url: string, method: string, key: string, body?: object) {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; revision: number; text: string }>()
  const sent = body === undefined ? '' : JSON.stringify(body)
  const headers = { 'x-api-key': key, 'content-length': Buffer.byteLength(sent) }
  const type = { 'content-type': 'application/json' }
  const request = http.request(url, { method, agent, headers: body ? { ...headers, ...type } : headers }, (answer) => {
    let text = ''
    answer.setEncoding('utf8').on('data', (part: string) => (text += part))
    answer.on('error', reject).on('end', () => {
      const revision = Number(answer.headers['x-config-revision'])
      resolve({ status: answer.statusCode ?? 0, revision, text })
    })
  })
  request.on('error', reject).end(sent)
  return promise
}

/** Makes and revokes keys, and changes a route now and then, through the admin API. */
export async function makeChanges(order: ChangesOrder, applied: AppliedRevisions): Promise<ChangesReport> {
  const report: ChangesReport = {
    keys: { fromDue: [], fromAnswer: [], calm: [] },
    routes: { fromDue: [], fromAnswer: [], calm: [] },
    wrong: 0,
  }

  async function change(into: Propagation, dueMs: number, method: string, route: string, body?: object) {
    const { status, revision, text } = await ask(order.adminUrl + route, method, order.adminKey, body)
    const answeredMs = performance.now()
    if (status >= 300) throw new Error(`${method} ${route}: ${status} ${text}`)
    const document = JSON.parse(text) as { data: { id: string; meta?: { key?: string } } }
    const appliedMs = await applied.at(revision)
    into.fromDue.push(appliedMs - dueMs)
    const since = performance.timeOrigin
    // Whether something was stolen just now is known a moment later.
    setTimeout(() => {
      if (calmTimes.areCalm(since + dueMs, since + appliedMs)) into.calm.push(appliedMs - dueMs)
    }, 300)
    // Workers may be faster than the answer.
    into.fromAnswer.push(Math.max(0, appliedMs - answeredMs))
    return document.data
  }

  async function expect(key: string, status: number): Promise<void> {
    for (const { port } of order.workers) {
      const answer = await fetch(`http://127.0.0.1:${port}/api/service-1/x`, { headers: { 'x-api-key': key } })
      if (answer.status !== status) report.wrong += 1
    }
  }

  const made: { id: string; meta?: { key?: string } }[] = []
  async function makeKey(n: number, dueMs: number): Promise<void> {
    const key = await change(report.keys, dueMs, 'POST', '/api/api-keys', { user_id: 'usr_00000000000000000000000001' })
    if (n % 10 === 0) await expect(key.meta?.key ?? '', 200)
    made.push(key)
  }
  async function revokeKey(n: number, dueMs: number): Promise<void> {
    while (made.length === 0) await sleep(5)
    const key = made.shift()!
    await change(report.keys, dueMs, 'POST', `/api/api-keys/${key.id}/revoke`)
    if (n % 10 === 0) await expect(key.meta?.key ?? '', 401)
  }
  async function changeRoute(n: number, dueMs: number): Promise<void> {
    const body = { priority: n % 7, description: `change ${n}` }
    await change(report.routes, dueMs, 'PATCH', `/api/routes/rte_${1 + (n % order.ofRoutes)}`, body)
  }

  const startedMs = performance.now()
  const running: Promise<void>[] = []
  let sent = 0
  async function begin(write: (n: number, dueMs: number) => Promise<void>, n: number): Promise<void> {
    if (order.perSecond === null) return write(n, performance.now())
    const dueMs = startedMs + (sent++ * 1_000) / order.perSecond
    if (dueMs > performance.now()) await sleep(dueMs - performance.now())
    running.push(write(n, dueMs))
  }
  const everyKeys = Math.max(1, Math.floor(order.keys / 2 / Math.max(1, order.routes)))
  for (let n = 0; n < order.keys / 2; n++) {
    await begin(makeKey, n)
    await begin(revokeKey, n)
    if (n % everyKeys === 0 && n / everyKeys < order.routes) await begin(changeRoute, n)
  }
  await Promise.all(running)
  await sleep(500)
  return report
}
