import { setTimeout as delay } from 'node:timers/promises'
import { Queue, type IQueueBackend, type JobsOptions } from 'bullmq'
import type { Logger } from '../../logger.ts'
import { traceparentOf } from '../../telemetry/trace-context.ts'
import { inSpan } from '../../telemetry/tracing.ts'
import { messageAttributes } from '../change.delivery.ts'
import { aborted, backoffMs, throttled, within } from '../retry.ts'
import type { Closeable, TransportConfig } from '../transport.ts'
import type { JobKind } from './job.consumer.ts'
import { producerBackend } from './queue.backend.ts'

const addTimeoutMs = 5_000
const closeTimeoutMs = 1_000

type JobQueue = Queue<unknown, void, string, unknown, void, string, IQueueBackend, object>

export interface NewJob<T> {
  /** Added again while it waits, it is not added. */
  id: string
  data: T
}

/** Jobs onto BullMQ. The queue is opened in the background; until then, and while it is away, `add` throws. */
export class JobProducer<T> implements Closeable {
  readonly #closing = new AbortController()
  readonly #opening: Promise<void>
  readonly #warn: (error: unknown) => void
  #candidate: JobQueue | null = null
  #queue: JobQueue | null = null

  constructor(
    private readonly kind: JobKind<T>,
    private readonly options: JobsOptions,
    private readonly config: TransportConfig,
    log: Logger,
  ) {
    this.#warn = throttled(log, 'warn', kind.away)
    this.#opening = this.#open()
  }

  /** Resolves when the queue is open, or closed for good. */
  async opened(): Promise<void> {
    await this.#opening
  }

  /** @throws within seconds when the queue cannot be reached; nothing is kept for later then. */
  async add(jobs: readonly NewJob<T>[]): Promise<void> {
    const queue = this.#queue
    if (queue === null) throw new Error(this.kind.away)
    if (jobs.length === 0) return
    const attributes = messageAttributes('bullmq', this.kind.queue, 'send')
    await inSpan(`send ${this.kind.queue}`, { kind: 'producer', attributes }, async (span) => {
      // Where BullMQ itself would keep it.
      const telemetry = span && { telemetry: { metadata: traceparentOf(span.position) } }
      const [first, ...others] = jobs.map(({ id, data }) => ({
        ...{ name: 'job', data, opts: { ...this.options, jobId: id, ...telemetry } },
      }))
      const added =
        others.length === 0 ? queue.add(first!.name, first!.data, first!.opts) : queue.addBulk([first!, ...others])
      await within<unknown>(addTimeoutMs, added, `${this.kind.queue} did not answer in ${addTimeoutMs} ms`)
    })
  }

  async close(): Promise<void> {
    if (!this.#closing.signal.aborted) {
      this.#closing.abort()
      // One that never reached its server may never end, either.
      await within(closeTimeoutMs, this.#candidate?.close() ?? Promise.resolve(), 'closing took too long').catch(
        () => {},
      )
    }
    await this.#opening
  }

  /** BullMQ remembers a failed first connection to PostgreSQL for ever, so a queue that fails to open is made anew. */
  async #open(): Promise<void> {
    const { signal } = this.#closing
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const { options, factory } = producerBackend(this.config)
      const queue: JobQueue = new Queue(this.kind.queue, options, factory)
      queue.on('error', this.#warn)
      this.#candidate = queue
      try {
        await Promise.race([queue.waitUntilReady(), aborted(signal)])
        if (!signal.aborted) this.#queue = queue
        return
      } catch (error) {
        if (!signal.aborted) this.#warn(error)
        await queue.close().catch(() => {})
        await delay(backoffMs(attempt), undefined, { signal }).catch(() => {})
      }
    }
  }
}
