import { setTimeout as delay } from 'node:timers/promises'
import type { WebhookDelivery as DeliveryJob } from '@apigate/contracts'
import {
  consumeWebhookDeliveries,
  openWebhookQueue,
  throttled,
  type Closeable,
  type JobProducer,
  type Logger,
  type Sealer,
  type TransportConfig,
} from '@apigate/platform'
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common'
import type { WebhooksService } from '../resources/webhooks/index.ts'
import { webhookMessage } from '../webhook-outbox/index.ts'
import type { TargetGuard } from '../webhook-target/index.ts'
import type { Attempt, Lease, WebhookDeliveriesRepository } from './deliveries.repository.ts'
import { verdict, type Verdict } from './delivery.verdict.ts'
import { noAnswer, post, type Answer } from './webhook.sender.ts'
import { signatureHeaders } from './webhook.signature.ts'

export interface DeliveryPolicy {
  /** Attempts under way at once in this process, */
  atOnceMax: number
  /** and to one webhook from all processes. */
  perWebhookMax: number
  timeoutMs: number
  /** Should nothing wake it: how often it is looked for what is due. */
  pollMs: number
  /** A webhook that has failed for so long is disabled; 0: never. */
  disableAfterMs: number
  /** Unix ms. */
  clock: () => number
}

export const deliveryPolicy: Omit<DeliveryPolicy, 'disableAfterMs'> = {
  ...{ atOnceMax: 64, perWebhookMax: 4, timeoutMs: 15_000, pollMs: 500, clock: Date.now },
}

/** What is leased and not finished after this is leased again: longer than an attempt takes, and a queue may be. */
export const leaseMs = 30_000
/** At the end of the process attempts under way get so long, and are then made again by another. */
const graceMs = 5_000

/**
 * Sends what the outbox holds, at least once. PostgreSQL knows what is due and who has it; the queue only spreads the work over
 * processes, and may lose or repeat any of it: a lost job is queued again when its lease is over, and one of an older lease
 * than the newest does nothing.
 */
export class WebhookDelivery implements OnApplicationBootstrap, OnModuleDestroy {
  /** Attempts by what they came to, since the start. */
  readonly counts: Record<Verdict['status'], number> = { delivered: 0, pending: 0, failed: 0 }
  readonly #closing = new AbortController()
  readonly #cutting = new AbortController()
  readonly #warn: (error: unknown) => void
  #wake: () => void = () => {}
  #running: { queue: JobProducer<DeliveryJob>; consumer: Closeable; dispatching: Promise<void> } | null = null

  constructor(
    private readonly deliveries: WebhookDeliveriesRepository,
    private readonly webhooks: Pick<WebhooksService, 'disableFailing'>,
    private readonly guard: TargetGuard,
    private readonly sealer: Sealer,
    private readonly transport: TransportConfig,
    private readonly log: Logger,
    private readonly policy: DeliveryPolicy,
  ) {
    this.#warn = throttled(log, 'warn', 'webhook deliveries have to wait')
  }

  onApplicationBootstrap(): void {
    const queue = openWebhookQueue(this.transport, this.log)
    const attempt = (job: DeliveryJob): Promise<void> => this.#attempt({ id: job.delivery, lease: job.lease })
    const consumer = consumeWebhookDeliveries(this.transport, this.log, attempt, {
      concurrency: this.policy.atOnceMax,
    })
    this.#running = { queue, consumer, dispatching: this.#dispatch(queue) }
  }

  async onModuleDestroy(): Promise<void> {
    if (!this.#running) return
    const { queue, consumer, dispatching } = this.#running
    this.#closing.abort()
    const cut = setTimeout(() => this.#cutting.abort(), graceMs)
    await Promise.all([dispatching, consumer.close()])
    clearTimeout(cut)
    await queue.close()
  }

  async #dispatch(queue: JobProducer<DeliveryJob>): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      const woken = new AbortController()
      this.#wake = () => woken.abort()
      await this.#queueDue(queue).catch((error: unknown) => {
        this.#warn(error)
        // Else every end of an attempt would be a new try.
        return delay(this.policy.pollMs, undefined, { signal }).catch(() => {})
      })
      await delay(this.policy.pollMs, undefined, { signal: AbortSignal.any([signal, woken.signal]) }).catch(() => {})
    }
  }

  async #queueDue(queue: JobProducer<DeliveryJob>): Promise<void> {
    const { clock, perWebhookMax } = this.policy
    const leases = await this.deliveries.leaseDue(new Date(clock()), this.#leaseEnd(), perWebhookMax)
    const jobs = leases.map(({ id, lease }) => ({
      id: `${id}_${lease}`,
      data: { v: 1 as const, delivery: id, lease },
    }))
    try {
      await queue.add(jobs)
    } catch (error) {
      // Some may be queued all the same; they are void when the deliveries are leased again.
      await this.deliveries.release(leases)
      throw error
    }
  }

  async #attempt(lease: Lease): Promise<void> {
    const attempt = await this.deliveries.begin(lease, this.#leaseEnd())
    if (attempt === null) return
    const answer = await this.#send(attempt)
    if (this.#cutting.signal.aborted && answer.statusCode === null) return this.deliveries.release([attempt])
    const now = this.policy.clock()
    const outcome = verdict(answer, attempt.attempts + 1, now, Math.random())
    const failingSince = await this.deliveries.finish(attempt, answer, outcome, new Date(now))
    this.counts[outcome.status] += 1
    const { disableAfterMs } = this.policy
    if (failingSince !== null && disableAfterMs > 0 && failingSince.getTime() <= now - disableAfterMs) {
      const disabled = await this.webhooks.disableFailing(attempt.webhookId, new Date(now - disableAfterMs))
      if (disabled) this.log.warn({ webhook: attempt.webhookId, failingSince }, 'disabled a webhook that keeps failing')
    }
    this.#wake()
  }

  async #send(attempt: Attempt): Promise<Answer> {
    const { eventId: id, type, createdAt, payload, url } = attempt
    const body = JSON.stringify(webhookMessage({ id, type, createdAt, payload }))
    let secrets: string[]
    try {
      secrets = this.#secrets(attempt)
    } catch (error) {
      this.#warn(error)
      return noAnswer("the webhook's secret cannot be opened: rotate it")
    }
    const headers = {
      ...{ 'content-type': 'application/json', 'user-agent': 'APIGate-Webhooks' },
      ...signatureHeaders(id, this.policy.clock(), body, secrets),
    }
    return post({ url, headers, body }, this.guard, this.policy.timeoutMs, this.#cutting.signal)
  }

  /** The newest first. */
  #secrets({ secretSealed, previousSecretSealed, previousSecretUntil }: Attempt): string[] {
    const overlaps = previousSecretUntil !== null && previousSecretUntil.getTime() > this.policy.clock()
    const sealed = [secretSealed, ...(overlaps && previousSecretSealed !== null ? [previousSecretSealed] : [])]
    return sealed.map((secret) => this.sealer.open(secret))
  }

  #leaseEnd(): Date {
    return new Date(this.policy.clock() + leaseMs)
  }
}
