import {
  explainRequestSchema,
  explanationSchema,
  usageMarkSchema,
  workerStatusSchema,
  type Explanation,
  type ExplainRequest,
  type UsageMark,
  type WorkerStatus,
} from '@apigate/contracts'
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node'
import type { Logger } from '../../logger.ts'
import { parseMessage } from '../message.check.ts'
import type { Closeable, FleetBus } from '../transport.ts'
import { NatsLink } from './nats.link.ts'
import type { NatsNames } from './nats.names.ts'

/** Statuses and marks by plain publish. While NATS is away they are dropped, not kept: the next one says the same. */
export class NatsFleetBus implements FleetBus {
  readonly #link: NatsLink
  readonly #subscriptions = new Set<Closeable>()

  constructor(
    natsUrl: string,
    private readonly names: NatsNames,
    private readonly log: Logger,
  ) {
    this.#link = new NatsLink(natsUrl, 'apigate-fleet-bus', log)
  }

  get isConnected(): boolean {
    return this.#link.current !== null
  }

  sendStatus(status: WorkerStatus): void {
    this.#send(this.names.workerStatus, status)
  }

  sendMark(mark: UsageMark): void {
    this.#send(this.names.usageMark, mark)
  }

  onStatus(listener: (status: WorkerStatus) => void): Promise<Closeable> {
    return this.#subscribe(this.names.workerStatus, (message) => {
      const status = parseMessage(workerStatusSchema, message.string(), this.names.workerStatus, this.log)
      if (status !== null) listener(status)
    })
  }

  onMark(worker: string, listener: (mark: UsageMark) => void): Promise<Closeable> {
    return this.#subscribe(this.names.usageMark, (message) => {
      const mark = parseMessage(usageMarkSchema, message.string(), this.names.usageMark, this.log)
      if (mark?.worker === worker) listener(mark)
    })
  }

  async askToExplain(worker: string, request: ExplainRequest, timeoutMs: number): Promise<Explanation> {
    const { current } = this.#link
    if (current === null) throw new Error('NATS is away')
    const reply = await current.request(`${this.names.explain}.${worker}`, JSON.stringify(request), {
      timeout: timeoutMs,
    })
    return explanationSchema.parse(reply.json())
  }

  onExplain(worker: string, explain: (request: ExplainRequest) => Promise<Explanation>): Promise<Closeable> {
    const subject = `${this.names.explain}.${worker}`
    return this.#subscribe(subject, (message) => {
      const request = parseMessage(explainRequestSchema, message.string(), subject, this.log)
      if (request === null) return
      explain(request).then(
        (explanation) => message.respond(JSON.stringify(explanation)),
        (error: unknown) => this.log.error({ err: error }, 'a request could not be explained'),
      )
    })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()))
    await this.#link.close()
  }

  #send(subject: string, message: WorkerStatus | UsageMark): void {
    this.#link.current?.publish(subject, JSON.stringify(message))
  }

  /** Subscribes on every connection that the link makes; the client itself renews it when it reconnects. */
  async #subscribe(subject: string, onMessage: (message: Msg) => void): Promise<Closeable> {
    let connection: NatsConnection | null = null
    let inner: Subscription | null = null
    const watch = this.#link.onConnected(() => {
      const { current } = this.#link
      if (current === null || current === connection) return
      connection = current
      inner = current.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) onMessage(message)
        },
      })
    })
    const subscription: Closeable = {
      close: async () => {
        this.#subscriptions.delete(subscription)
        await watch.close()
        inner?.unsubscribe()
      },
    }
    this.#subscriptions.add(subscription)
    await this.#link.current?.flush()
    return subscription
  }
}
