import { setTimeout as delay } from 'node:timers/promises'
import { queues, usageBatchSchema, type UsageBatch } from '@apigate/contracts'
import { DelayedError, UnrecoverableError, Worker, type IQueueBackend, type Job, type JobProgress } from 'bullmq'
import type { Logger } from '../../logger.ts'
import { checkMessage } from '../message.check.ts'
import { backoffMs, throttledWarning, within } from '../retry.ts'
import type { Closeable, TransportConfig } from '../transport.ts'
import { isOutage } from './outage.ts'
import { consumerBackend } from './queue.backend.ts'

type BatchWorker = Worker<unknown, void, string, IQueueBackend, JobProgress, object>

export interface ConsumerOptions {
  /** Batches at once in this process. */
  concurrency: number
}

const outageDelayMs = 2_000
const settleMs = 1_000
const closeTimeoutMs = 10_000

/**
 * Runs a handler for each usage batch, at least once. A batch that is not one is set aside at once; one whose handler
 * fails is tried again with growing pauses, and set aside after the attempts that the producer gave it; a handler that
 * fails because a dependency is away (`isOutage`) spends no attempt.
 */
export class UsageConsumer implements Closeable {
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  readonly #warnAway: (error: unknown) => void
  readonly #warnOutage: (error: unknown) => void

  constructor(
    private readonly config: TransportConfig,
    private readonly log: Logger,
    private readonly handler: (batch: UsageBatch) => Promise<void>,
    private readonly options: ConsumerOptions,
  ) {
    this.#warnAway = throttledWarning(log, 'the usage queue is away')
    this.#warnOutage = throttledWarning(log, 'usage batches wait for a dependency')
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
      (job: Job, token?: string) => this.#handle(job, token),
      {
        ...options,
        autorun: false,
        concurrency: this.options.concurrency,
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
      if (job?.finishedOn === undefined) return
      this.log.error({ err: error, job: job.id, attempts: job.attemptsMade }, 'a usage batch was set aside')
    })
    return worker
  }

  async #handle(job: Job, token: string | undefined): Promise<void> {
    const batch = checkMessage(usageBatchSchema, job.data, queues.usage, this.log)
    if (batch === null) throw new UnrecoverableError('not a usage batch')
    try {
      await this.handler(batch)
    } catch (error) {
      if (!isOutage(error)) throw error
      this.#warnOutage(error)
      await job.moveToDelayed(Date.now() + outageDelayMs, token)
      throw new DelayedError()
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
