import { setTimeout as delay } from 'node:timers/promises'
import { queues, usageBatchSchema, type UsageBatch } from '@apigate/contracts'
import { Worker, type IQueueBackend, type Job, type JobProgress } from 'bullmq'
import type { Logger } from '../../logger.ts'
import { checkMessage } from '../message.check.ts'
import { backoffMs, throttled, within } from '../retry.ts'
import type { Closeable, TransportConfig } from '../transport.ts'
import { consumerBackend } from './queue.backend.ts'
import { RefusedBatchError } from './refused.batch.error.ts'

type BatchWorker = Worker<unknown, void, string, IQueueBackend, JobProgress, object>

export interface ConsumerOptions {
  /** Batches at once in this process. */
  concurrency: number
  /** Before a batch that failed is tried again, by attempt (from 0). */
  pauseMs?: (attempt: number) => number
}

const settleMs = 1_000
const closeTimeoutMs = 10_000

/**
 * Runs a handler for each usage batch, at least once. What is no batch, and one whose handler throws `RefusedBatchError`,
 * is set aside: it stays in the queue's failed jobs for the operator. Any other failure says nothing about the batch (the
 * database is away, a table is missing after a bad deploy, a bug), so it is tried again with growing pauses, for ever.
 */
export class UsageConsumer implements Closeable {
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  readonly #warnAway: (error: unknown) => void
  readonly #logFailure: (error: unknown) => void

  constructor(
    private readonly config: TransportConfig,
    private readonly log: Logger,
    private readonly handler: (batch: UsageBatch) => Promise<void>,
    private readonly options: ConsumerOptions,
  ) {
    this.#warnAway = throttled(log, 'warn', 'the usage queue is away')
    this.#logFailure = throttled(log, 'error', 'a usage batch could not be written; it is tried again')
    this.#running = this.#run()
  }

  /** Finishes the batches that are being handled. */
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

  #makeWorker(onError: (error: unknown) => void): BatchWorker {
    const { options, factory } = consumerBackend(this.config)
    const worker: BatchWorker = new Worker(
      queues.usage,
      (job: Job) => this.#handle(job),
      {
        ...options,
        autorun: false,
        concurrency: this.options.concurrency,
        settings: { backoffStrategy: (attemptsMade) => (this.options.pauseMs ?? backoffMs)(attemptsMade - 1) },
        runRetryDelay: 1_000,
        // A batch of a consumer that was killed is taken over within 15 s, however often that happens.
        lockDuration: 10_000,
        stalledInterval: 5_000,
        maxStalledCount: 1_000_000,
      },
      factory,
    )
    worker.on('error', onError)
    worker.on('failed', (job, error) => {
      if (job?.finishedOn === undefined) this.#logFailure(error)
      else this.log.error({ err: error, job: job.id }, 'a usage batch was set aside')
    })
    return worker
  }

  async #handle(job: Job): Promise<void> {
    const batch = checkMessage(usageBatchSchema, job.data, queues.usage, this.log)
    if (batch === null) throw new RefusedBatchError('not a usage batch')
    await this.handler(batch)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
