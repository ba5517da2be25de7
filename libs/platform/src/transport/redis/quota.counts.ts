import { setTimeout as delay } from 'node:timers/promises'
import type { QuotaPeriod } from '@apigate/contracts'
import type { Redis } from 'ioredis'
import type { Logger } from '../../logger.ts'
import { aborted, backoffMs, throttled } from '../retry.ts'
import type { Closeable } from '../transport.ts'
import { addScript, seedScript } from './limits.lua.ts'
import { limitNames, openRedis, type LimitNames } from './redis.client.ts'

const ownersAtOnce = 500
const waitSeconds = 1

/** The ledger's units of each of these months, in their order. */
export type ReadUnits = (periods: readonly QuotaPeriod[]) => Promise<number[]>

/** Answers workers that ask for a month's count which Redis has not, from the ledger. Any number of processes may. */
export class QuotaCountSeeder implements Closeable {
  readonly #redis: Redis
  readonly #names: LimitNames
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  readonly #warn: (error: unknown) => void

  constructor(
    url: string,
    namespace: string | undefined,
    log: Logger,
    private readonly readUnits: ReadUnits,
  ) {
    this.#names = limitNames(namespace)
    this.#redis = openRedis(url, 'apigate-quota-counts', log)
    this.#warn = throttled(log, 'warn', 'quota counts could not be read from the ledger; they are tried again')
    this.#running = this.#run()
  }

  get isConnected(): boolean {
    return this.#redis.status === 'ready'
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#redis.disconnect()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        // The connection itself says so when it cannot be made.
        if (!this.isConnected) await Promise.race([this.#ready(), aborted(signal)])
        if (signal.aborted) return
        const first = await this.#redis.blpop(this.#names.asked, waitSeconds)
        attempt = 0
        if (first === null) continue
        const more = (await this.#redis.lpop(this.#names.asked, ownersAtOnce - 1)) ?? []
        await this.#answer([...new Set([first[1], ...more])])
      } catch (error) {
        // Those who asked ask again.
        if (signal.aborted) return
        this.#warn(error)
        await delay(backoffMs(attempt), undefined, { signal }).catch(() => {})
      }
    }
  }

  #ready(): Promise<void> {
    return new Promise((resolve) => this.#redis.once('ready', () => resolve()))
  }

  async #answer(asked: readonly string[]): Promise<void> {
    const periods = asked.flatMap((line) => {
      const [ownerId = '', period = ''] = line.split(' ')
      return /^\d{4}-\d{2}$/.test(period) ? [{ ownerId, period }] : []
    })
    const units = await this.readUnits(periods)
    const pipeline = this.#redis.pipeline()
    for (const [n, { ownerId, period }] of periods.entries()) {
      pipeline.eval(seedScript, 1, this.#names.count(ownerId, period), String(units[n] ?? 0))
    }
    await pipeline.exec()
  }
}

/** Adds units to counts that did not come by a worker. */
export class QuotaCounts implements Closeable {
  readonly #redis: Redis
  readonly #names: LimitNames

  constructor(url: string, namespace: string | undefined, log: Logger) {
    this.#names = limitNames(namespace)
    this.#redis = openRedis(url, 'apigate-quota-counts', log, { commandTimeout: 1_000 })
  }

  get isConnected(): boolean {
    return this.#redis.status === 'ready'
  }

  /** What cannot be added now is found in the ledger within seconds: errors are of no matter. */
  async add(added: readonly (QuotaPeriod & { units: number })[]): Promise<void> {
    const pipeline = this.#redis.pipeline()
    for (const { ownerId, period, units } of added) {
      pipeline.eval(addScript, 1, this.#names.count(ownerId, period), String(units))
    }
    await pipeline.exec().catch(() => {})
  }

  close(): Promise<void> {
    this.#redis.disconnect()
    return Promise.resolve()
  }
}
