import { setTimeout as delay } from 'node:timers/promises'
import { Worker, type IQueueBackend, type Job, type JobProgress } from 'bullmq'
import type { Logger } from '../../logger.ts'
import { parseTraceparent } from '../../telemetry/trace-context.ts'
import { inSpan } from '../../telemetry/tracing.ts'
import { messageAttributes } from '../change.delivery.ts'
import { checkMessage, type Schema } from '../message.check.ts'
import { aborted, backoffMs, throttled, within } from '../retry.ts'
import type { Closeable, TransportConfig } from '../transport.ts'
import { consumerBackend } from './queue.backend.ts'

type JobWorker = Worker<unknown, void, string, IQueueBackend, JobProgress, object>

/** What travels through a queue, and what is said of it. */
export interface JobKind<T> {
  queue: string
  schema: Schema<T>
  away: string
  /** Of a job that is none. */
  refusal: () => Error
  again: string
  aside: string
}

export interface ConsumerOptions {
  /** Jobs at once in this process. */
  concurrency: number
  /** Before a job that failed is tried again, by attempt (from 0). */
  pauseMs?: (attempt: number) => number
}

const settleMs = 1_000
const closeTimeoutMs = 10_000

/**
 * Runs a handler for each job of a queue, at least once. What does not follow the contract, and a job whose handler throws
 * BullMQ's `UnrecoverableError`, is not tried again; any other failure is, as often as the job's own options say.
 */
export class JobConsumer<T> implements Closeable {
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  readonly #warnAway: (error: unknown) => void
  readonly #logFailure: (error: unknown) => void

  constructor(
    private readonly kind: JobKind<T>,
    private readonly config: TransportConfig,
    private readonly log: Logger,
    private readonly handler: (data: T) => Promise<void>,
    private readonly options: ConsumerOptions,
  ) {
    this.#warnAway = throttled(log, 'warn', kind.away)
    this.#logFailure = throttled(log, 'error', kind.again)
    this.#running = this.#run()
  }

  /** Finishes the jobs that are being handled. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  /**
   * On Redis one worker lasts for ever: its client reconnects. On PostgreSQL, BullMQ fetches again without a pause after
   * most errors, so that a server that is starting up would be hammered; there a worker that reports an error is closed
   * and a new one made.
   */
  async #run(): Promise<void> {
    const { signal } = this.#closing
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const stop = new AbortController()
      const worker = this.#makeWorker((error) => {
        if (!signal.aborted) this.#warnAway(error)
        if (this.config.redisUrl === null) stop.abort()
      })
      const stopped = aborted(AbortSignal.any([signal, stop.signal]))
      try {
        await Promise.race([worker.waitUntilReady(), stopped])
        if (!signal.aborted && !stop.signal.aborted) {
          attempt = 0
          worker.run().catch(this.#warnAway)
          await stopped
        }
      } catch (error) {
        this.#warnAway(error)
      }
      if (stop.signal.aborted) {
        // BullMQ's close takes the error listener off a connection whose own error may still be under way, and that would
        // end the process; when PostgreSQL ends all its connections the errors come together.
        worker.pause(true).catch(this.#warnAway)
        await delay(settleMs)
      }
      await within(closeTimeoutMs, worker.close(), 'closing took too long').catch(this.#warnAway)
      await delay(backoffMs(attempt), undefined, { signal }).catch(() => {})
    }
  }

  #makeWorker(onError: (error: unknown) => void): JobWorker {
    const { options, factory } = consumerBackend(this.config)
    const worker: JobWorker = new Worker(
      this.kind.queue,
      (job: Job) => this.#handle(job),
      {
        ...options,
        autorun: false,
        concurrency: this.options.concurrency,
        settings: { backoffStrategy: (attemptsMade) => (this.options.pauseMs ?? backoffMs)(attemptsMade - 1) },
        runRetryDelay: 1_000,
        // A job of a consumer that was killed is taken over within 15 s, however often that happens.
        lockDuration: 10_000,
        stalledInterval: 5_000,
        maxStalledCount: 1_000_000,
      },
      factory,
    )
    worker.on('error', onError)
    worker.on('failed', (job, error) => {
      if (job?.finishedOn === undefined) this.#logFailure(error)
      else this.log.error({ err: error, job: job.id }, this.kind.aside)
    })
    return worker
  }

  async #handle(job: Job): Promise<void> {
    const data = checkMessage(this.kind.schema, job.data, this.kind.queue, this.log)
    if (data === null) throw this.kind.refusal()
    const parent = parseTraceparent(job.opts.telemetry?.metadata)
    const attributes = messageAttributes('bullmq', this.kind.queue, 'process')
    await inSpan(`process ${this.kind.queue}`, { kind: 'consumer', attributes, parent }, () => this.handler(data))
  }
}
