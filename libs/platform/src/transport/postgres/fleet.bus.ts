import { channels, usageMarkSchema, workerStatusSchema, type UsageMark, type WorkerStatus } from '@apigate/contracts'
import type pg from 'pg'
import type { Logger } from '../../logger.ts'
import { parseMessage } from '../message.check.ts'
import { throttled } from '../retry.ts'
import type { Closeable, FleetBus } from '../transport.ts'
import { NotifyListener } from './notify.listener.ts'
import { openPool } from './pool.ts'

/** NOTIFY takes less than 8000 bytes; a status is far below but for its `problem`. */
const problemCharactersMax = 1_000

/** Statuses and marks by NOTIFY, for embedded mode. While PostgreSQL is away they are dropped: the next says the same. */
export class PostgresFleetBus implements FleetBus {
  readonly #pool: pg.Pool
  readonly #listeners = new Set<Closeable>()
  readonly #warn: (error: unknown) => void

  constructor(
    private readonly databaseUrl: string,
    private readonly log: Logger,
  ) {
    this.#pool = openPool(databaseUrl, 1)
    this.#warn = throttled(log, 'warn', 'dropped a fleet message')
  }

  sendStatus(status: WorkerStatus): void {
    this.#send(channels.workerStatus, { ...status, problem: status.problem?.slice(0, problemCharactersMax) ?? null })
  }

  sendMark(mark: UsageMark): void {
    this.#send(channels.usageMark, mark)
  }

  onStatus(listener: (status: WorkerStatus) => void): Promise<Closeable> {
    return this.#listen(channels.workerStatus, (payload) => {
      const status = parseMessage(workerStatusSchema, payload, channels.workerStatus, this.log)
      if (status !== null) listener(status)
    })
  }

  onMark(worker: string, listener: (mark: UsageMark) => void): Promise<Closeable> {
    return this.#listen(channels.usageMark, (payload) => {
      const mark = parseMessage(usageMarkSchema, payload, channels.usageMark, this.log)
      if (mark?.worker === worker) listener(mark)
    })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#listeners].map((listener) => listener.close()))
    if (!this.#pool.ending) await this.#pool.end()
  }

  #send(channel: string, message: WorkerStatus | UsageMark): void {
    if (this.#pool.ending || this.#pool.waitingCount > 100) return
    this.#pool.query('SELECT pg_notify($1, $2)', [channel, JSON.stringify(message)]).catch(this.#warn)
  }

  #listen(channel: string, onPayload: (payload: string) => void): Promise<Closeable> {
    const inner = new NotifyListener(
      this.databaseUrl,
      [channel],
      { onNotification: (_, payload) => onPayload(payload), onConnected: () => {} },
      this.log,
    )
    const listener: Closeable = {
      close: () => {
        this.#listeners.delete(listener)
        return inner.close()
      },
    }
    this.#listeners.add(listener)
    return Promise.resolve(listener)
  }
}
