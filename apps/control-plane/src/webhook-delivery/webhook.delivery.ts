import type { WebhookSlice } from '@apigate/contracts'
import {
  consumeWebhookSlices,
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
import type { TargetGuard } from '../webhook-target/index.ts'
import { AttemptRecorder } from './attempt.recorder.ts'
import type { AttemptResult, WebhookDeliveriesRepository } from './deliveries.repository.ts'
import { leaseMs, type DeliveryPolicy } from './delivery.policy.ts'
import type { Verdict } from './delivery.verdict.ts'
import { WebhookConnections } from './webhook.connections.ts'
import { WebhookSender } from './webhook.sender.ts'
import { WebhookSliceRun, type SliceTools } from './webhook.slice.ts'

/** At the end of the process attempts under way get so long, and are then made again by another. */
const graceMs = 5_000
/** A slice that was full is likely to have more behind it. */
const fullGapMs = 10

/**
 * Sends what the outbox holds, at least once. PostgreSQL knows what is due and who has it; the queue only spreads the work over
 * processes, and may lose or repeat any of it: a lost job is queued again when its leases are over, and one of older leases than
 * the newest does nothing.
 */
export class WebhookDelivery implements OnApplicationBootstrap, OnModuleDestroy {
  /** Attempts by what they came to, since the start. */
  readonly counts: Record<Verdict['status'], number> = { delivered: 0, pending: 0, failed: 0 }
  readonly #closing = new AbortController()
  readonly #sender: WebhookSender
  readonly #connections: WebhookConnections
  readonly #tools: SliceTools
  readonly #warn: (error: unknown) => void
  #wake: () => void = () => {}
  /** The next look for what is due comes so long after the one before. */
  #lookAfterMs = 0
  #running: { queue: JobProducer<WebhookSlice>; consumer: Closeable; dispatching: Promise<void> } | null = null

  constructor(
    private readonly deliveries: WebhookDeliveriesRepository,
    private readonly webhooks: Pick<WebhooksService, 'disableFailing'>,
    guard: TargetGuard,
    sealer: Sealer,
    private readonly transport: TransportConfig,
    private readonly log: Logger,
    private readonly policy: DeliveryPolicy,
  ) {
    this.#warn = throttled(log, 'warn', 'webhook deliveries have to wait')
    this.#sender = new WebhookSender(policy.timeoutMs)
    this.#connections = new WebhookConnections(policy.perWebhookMax, 2 * policy.slicesAtOnceMax)
    const recorder = new AttemptRecorder((results) => this.#note(results), policy.clock, this.#warn)
    const count = (outcome: Verdict['status']): void => void (this.counts[outcome] += 1)
    const [sender, connections, warn] = [this.#sender, this.#connections, this.#warn]
    this.#tools = { deliveries, recorder, sender, connections, guard, sealer, policy, count, warn }
  }

  onApplicationBootstrap(): void {
    const queue = openWebhookQueue(this.transport, this.log)
    const consumer = consumeWebhookSlices(this.transport, this.log, (slice) => this.#attempt(slice), {
      concurrency: this.policy.slicesAtOnceMax,
    })
    this.#running = { queue, consumer, dispatching: this.#dispatch(queue) }
  }

  async onModuleDestroy(): Promise<void> {
    if (!this.#running) return
    const { queue, consumer, dispatching } = this.#running
    this.#closing.abort()
    this.#wake()
    const cut = setTimeout(() => this.#sender.cut(), graceMs)
    await Promise.all([dispatching, consumer.close()])
    clearTimeout(cut)
    this.#connections.close()
    await queue.close()
  }

  async #dispatch(queue: JobProducer<WebhookSlice>): Promise<void> {
    const { signal } = this.#closing
    const { pollMs } = this.policy
    await Promise.race([queue.opened(), new Promise((resolve) => signal.addEventListener('abort', resolve))])
    while (!signal.aborted) {
      const lookedAtMs = performance.now()
      this.#lookAfterMs = pollMs
      // After a failure every end of a slice would else be a new try.
      const atLeastMs = await this.#queueDue(queue).then(
        () => 0,
        (error: unknown) => {
          this.#warn(error)
          return pollMs
        },
      )
      const restMs = (): number => lookedAtMs + Math.max(this.#lookAfterMs, atLeastMs) - performance.now()
      for (let ms = restMs(); ms > 0 && !signal.aborted; ms = restMs()) await this.#sleep(ms)
    }
  }

  async #sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    this.#wake = resolve
    await promise
    clearTimeout(timer)
  }

  #lookSoon(afterMs: number): void {
    this.#lookAfterMs = Math.min(this.#lookAfterMs, afterMs)
    this.#wake()
  }

  async #queueDue(queue: JobProducer<WebhookSlice>): Promise<void> {
    const now = this.policy.clock()
    const slices = await this.deliveries.leaseDue(new Date(now), new Date(now + leaseMs), this.policy)
    const jobs = slices.map(({ webhookId, atOnce, deliveries }) => ({
      id: `${deliveries[0]!.id}_${deliveries[0]!.lease}`,
      data: { v: 1 as const, webhook: webhookId, atOnce, deliveries },
    }))
    try {
      await queue.add(jobs)
    } catch (error) {
      // Some may be queued all the same; they are void when the deliveries are leased again.
      await this.deliveries.release(slices.flatMap(({ deliveries }) => deliveries))
      throw error
    }
  }

  async #attempt({ deliveries, atOnce }: WebhookSlice): Promise<void> {
    await new WebhookSliceRun(this.#tools, deliveries).run(atOnce)
    this.#lookSoon(deliveries.length >= this.policy.sliceMax ? fullGapMs : this.policy.gapMs)
  }

  async #note(results: readonly AttemptResult[]): Promise<void> {
    const now = this.policy.clock()
    const failing = await this.deliveries.finish(results, new Date(now))
    const { disableAfterMs } = this.policy
    if (disableAfterMs === 0) return
    const since = new Date(now - disableAfterMs)
    for (const { webhookId, failingSince } of failing) {
      if (failingSince > since) continue
      const disabled = await this.webhooks.disableFailing(webhookId, since)
      if (disabled) this.log.warn({ webhook: webhookId, failingSince }, 'disabled a webhook that keeps failing')
    }
  }
}
