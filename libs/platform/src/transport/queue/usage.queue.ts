import { setTimeout as delay } from 'node:timers/promises'
import { queues, type UsageBatch } from '@apigate/contracts'
import { Queue, type IQueueBackend, type JobsOptions } from 'bullmq'
import type { Logger } from '../../logger.ts'
import { backoffMs, throttled, within } from '../retry.ts'
import type { TransportConfig, UsageQueue } from '../transport.ts'
import { producerBackend } from './queue.backend.ts'

const addTimeoutMs = 5_000

const jobOptions: JobsOptions = {
  // Frees the id, so that a batch whose mark was lost can be sent again.
  removeOnComplete: true,
  // For ever, after the pauses of the consumer: the same id added again would be no second try.
  attempts: 2 ** 31 - 1,
  backoff: { type: 'of the consumer' },
  stackTraceLimit: 1,
}

type BatchQueue = Queue<UsageBatch, void, string, UsageBatch, void, string, IQueueBackend, object>

/** Usage batches onto BullMQ. The queue is opened in the background; until then, and while it is away, `add` throws. */
export class BullUsageQueue implements UsageQueue {
  readonly #closing = new AbortController()
  readonly #opening: Promise<void>
  readonly #warn: (error: unknown) => void
  #candidate: BatchQueue | null = null
  #queue: BatchQueue | null = null

  constructor(
    private readonly config: TransportConfig,
    log: Logger,
  ) {
    this.#warn = throttled(log, 'warn', 'the usage queue is away')
    this.#opening = this.#open()
  }

  async add(batch: UsageBatch): Promise<void> {
    const queue = this.#queue
    if (queue === null) throw new Error('the usage queue is away')
    const jobId = `${batch.worker}_${batch.epoch}_${batch.first}`
    const added = queue.add('batch', batch, { ...jobOptions, jobId })
    await within(addTimeoutMs, added, `the usage queue did not answer in ${addTimeoutMs} ms`)
  }

  async close(): Promise<void> {
    if (!this.#closing.signal.aborted) {
      this.#closing.abort()
      await this.#candidate?.close().catch(() => {})
    }
    await this.#opening
  }

  /** BullMQ remembers a failed first connection to PostgreSQL for ever, so a queue that fails to open is made anew. */
  async #open(): Promise<void> {
    const { signal } = this.#closing
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const { options, factory } = producerBackend(this.config)
      const queue: BatchQueue = new Queue(queues.usage, options, factory)
      queue.on('error', this.#warn)
      this.#candidate = queue
      try {
        await queue.waitUntilReady()
        this.#queue = queue
        return
      } catch (error) {
        if (!signal.aborted) this.#warn(error)
        await queue.close().catch(() => {})
        await delay(backoffMs(attempt), undefined, { signal }).catch(() => {})
      }
    }
  }
}
