import { randomUUID } from 'node:crypto'
import {
  channels,
  explainRequestSchema,
  explanationSchema,
  usageMarkSchema,
  workerStatusSchema,
  type Explanation,
  type ExplainRequest,
  type UsageMark,
  type WorkerStatus,
} from '@apigate/contracts'
import type pg from 'pg'
import type { Logger } from '../../logger.ts'
import { parseMessage } from '../message.check.ts'
import { throttled } from '../retry.ts'
import type { Closeable, FleetBus } from '../transport.ts'
import { NotifyListener } from './notify.listener.ts'
import { joinParts, splitParts, type NotifyPart } from './notify.parts.ts'
import { openPool } from './pool.ts'

/** NOTIFY takes less than 8000 bytes; a status is far below but for its `problem`. */
const problemCharactersMax = 1_000

/** Statuses and marks by NOTIFY, for embedded mode. While PostgreSQL is away they are dropped: the next says the same. */
export class PostgresFleetBus implements FleetBus {
  /** PostgreSQL itself is watched by whoever uses it. */
  readonly isConnected = true
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

  async askToExplain(worker: string, request: ExplainRequest, timeoutMs: number): Promise<Explanation> {
    const id = randomUUID()
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const ask = (): void => this.#sendParts(channels.explain, id, worker, request)
    const join = joinParts(resolve, (part) => part.id === id)
    const listener = await this.#listen(channels.explanation, join, ask)
    const timer = setTimeout(() => reject(new Error(`worker ${worker} does not answer`)), timeoutMs)
    try {
      return explanationSchema.parse(JSON.parse(await promise))
    } finally {
      clearTimeout(timer)
      await listener.close()
    }
  }

  onExplain(worker: string, explain: (request: ExplainRequest) => Promise<Explanation>): Promise<Closeable> {
    const answer = async (text: string, { id }: NotifyPart): Promise<void> => {
      const request = parseMessage(explainRequestSchema, text, channels.explain, this.log)
      if (request !== null) this.#sendParts(channels.explanation, id, worker, await explain(request))
    }
    const join = joinParts(
      (text, part) => void answer(text, part).catch(this.#warn),
      (part) => part.worker === worker,
    )
    return this.#listen(channels.explain, join)
  }

  #sendParts(channel: string, id: string, worker: string, message: ExplainRequest | Explanation): void {
    for (const part of splitParts(id, worker, JSON.stringify(message))) {
      this.#pool.query('SELECT pg_notify($1, $2)', [channel, JSON.stringify(part)]).catch(this.#warn)
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#listeners].map((listener) => listener.close()))
    if (!this.#pool.ending) await this.#pool.end()
  }

  #send(channel: string, message: WorkerStatus | UsageMark): void {
    if (this.#pool.ending || this.#pool.waitingCount > 100) return
    this.#pool.query('SELECT pg_notify($1, $2)', [channel, JSON.stringify(message)]).catch(this.#warn)
  }

  #listen(channel: string, onPayload: (payload: string) => void, onListening = () => {}): Promise<Closeable> {
    const inner = new NotifyListener(
      this.databaseUrl,
      [channel],
      { onNotification: (_, payload) => onPayload(payload), onConnected: (connected) => connected && onListening() },
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
