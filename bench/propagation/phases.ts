import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds, cpuSecondsOfTree } from '../processes.ts'
import type { PacedReport } from './paced.load.ts'
import { once, type BenchWorker } from './system.ts'

export interface Phase {
  name: string
  requests: PacedReport
  /** Of the event loops, the worst of the workers: delay, ms. */
  loopP99Ms: number
  loopMaxMs: number
  /** CPU time in seconds by part of the system. */
  cpu: Record<string, number>
  seconds: number
}

/** What ran during a stretch of time: requests, delays of event loops, CPU time. */
export class Phases {
  readonly measured: Phase[] = []
  readonly #load: ChildProcess
  readonly #workers: BenchWorker[]
  readonly #pids: () => Record<string, number>

  constructor(load: ChildProcess, workers: BenchWorker[], pids: () => Record<string, number>) {
    this.#load = load
    this.#workers = workers
    this.#pids = pids
  }

  async measure(name: string, run: () => Promise<unknown>): Promise<Phase> {
    this.#load.send('report')
    await once(this.#load, 'message')
    for (const worker of this.#workers) await worker.loopDelay()
    const before = this.#cpuNow()
    const beganMs = performance.now()
    await run()
    const seconds = (performance.now() - beganMs) / 1_000
    const now = this.#cpuNow()
    const cpu = Object.fromEntries(Object.entries(now).map(([part, at]) => [part, at - (before[part] ?? 0)]))
    this.#load.send('report')
    const [requests] = (await once(this.#load, 'message')) as [PacedReport]
    const delays = await Promise.all(this.#workers.map((worker) => worker.loopDelay()))
    return {
      ...{ name, requests, cpu, seconds },
      loopP99Ms: Math.max(...delays.map(({ p99Ms }) => p99Ms)),
      loopMaxMs: Math.max(...delays.map(({ maxMs }) => maxMs)),
    }
  }

  async keep(name: string, run: () => Promise<unknown>): Promise<void> {
    const phase = await this.measure(name, run)
    this.measured.push(phase)
    console.error(`${name}: ${JSON.stringify(phase)}`)
  }

  /** Until nothing but the load is at work: what starts of processes and loads of data have left is done. */
  async whenQuiet(): Promise<void> {
    for (let quietRounds = 0, round = 0; quietRounds < 3 && round < 40; round++) {
      const { cpu, requests, seconds } = await this.measure('', () => sleep(1_000))
      // The ledger takes what the load uses, all the time.
      const others = (cpu['postgres'] ?? 0) + (cpu['nats'] ?? 0) + (cpu['jobs'] ?? 0) + (cpu['api'] ?? 0)
      quietRounds = others / seconds < 0.5 && requests.p50Ms < 20 ? quietRounds + 1 : 0
    }
  }

  #cpuNow(): Record<string, number> {
    const parts = Object.entries(this.#pids())
    return Object.fromEntries(
      parts.map(([part, pid]) => [part, part === 'postgres' ? cpuSecondsOfTree(pid) : cpuSeconds(pid)]),
    )
  }
}
