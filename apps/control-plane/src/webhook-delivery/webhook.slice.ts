import type { Sealer } from '@apigate/platform'
import { webhookMessage } from '../webhook-outbox/index.ts'
import type { TargetGuard } from '../webhook-target/index.ts'
import type { AttemptRecorder } from './attempt.recorder.ts'
import type { Attempt, Lease, WebhookDeliveriesRepository } from './deliveries.repository.ts'
import type { DeliveryPolicy } from './delivery.policy.ts'
import { isDown, verdict, type Verdict } from './delivery.verdict.ts'
import type { WebhookConnections } from './webhook.connections.ts'
import { noAnswer, type Answer, type Receiver, type WebhookSender } from './webhook.sender.ts'
import { signatureHeaders } from './webhook.signature.ts'

/** What was read of webhook and events counts for so long. */
const readEveryMs = 1_000

/** What all slices of a process share. */
export interface SliceTools {
  deliveries: WebhookDeliveriesRepository
  recorder: AttemptRecorder
  sender: WebhookSender
  connections: WebhookConnections
  guard: TargetGuard
  sealer: Sealer
  policy: DeliveryPolicy
  count: (outcome: Verdict['status']) => void
  warn: (error: unknown) => void
}

/** Deliveries to one webhook, a few at a time, until they are done, one of them has to be tried again, or time is up. */
export class WebhookSliceRun {
  readonly #endsAtMs: number
  readonly #unread: Map<string, Lease>
  #rest: Attempt[] = []
  #readAtMs = -Infinity
  #reading: Promise<void> | null = null
  #receiver: Receiver | null = null
  #isEnded = false
  readonly #noted: Promise<void>[] = []

  /** @param leases of one webhook. */
  constructor(
    private readonly tools: SliceTools,
    leases: readonly Lease[],
  ) {
    this.#endsAtMs = performance.now() + tools.policy.sliceMs
    this.#unread = new Map(leases.map((lease) => [lease.id, lease]))
  }

  /** @param atOnce requests. Resolves when the results are noted and what was not sent is given back. */
  async run(atOnce: number): Promise<void> {
    try {
      await Promise.all(Array.from({ length: Math.min(atOnce, this.#unread.size) }, () => this.#work()))
      await Promise.all(this.#noted)
    } finally {
      await this.tools.deliveries.release([...this.#unread.values()])
    }
  }

  async #work(): Promise<void> {
    for (let attempt = await this.#next(); attempt !== null; attempt = await this.#next()) await this.#attempt(attempt)
  }

  /** As it is now, or was a moment ago; null when nothing more is to be sent. */
  async #next(): Promise<Attempt | null> {
    if (performance.now() - this.#readAtMs > readEveryMs || this.#rest.length === 0) {
      this.#reading ??= this.#read().finally(() => (this.#reading = null))
      await this.#reading
    }
    const isOver = this.#isEnded || this.tools.sender.isCut || performance.now() > this.#endsAtMs
    const attempt = isOver ? undefined : this.#rest.shift()
    if (attempt === undefined) return null
    this.#unread.delete(attempt.id)
    return attempt
  }

  async #read(): Promise<void> {
    const { deliveries, policy, guard, connections } = this.tools
    if (this.#isEnded || this.#unread.size === 0) return
    const now = policy.clock()
    this.#rest = await deliveries.read([...this.#unread.values()], new Date(now))
    this.#readAtMs = performance.now()
    const [first] = this.#rest
    // Nothing of it is ours any more, or to be sent.
    if (first === undefined) return this.#unread.clear()
    // What begins must end before the lease does.
    if (first.leasedUntil.getTime() - now < policy.timeoutMs) this.#isEnded = true
    const addresses = guard.addressesOf(first.url)
    addresses.catch(() => {})
    this.#receiver = { addresses, agent: connections.to(first.webhookId, new URL(first.url).protocol) }
  }

  async #attempt(attempt: Attempt): Promise<void> {
    const { sender, policy, recorder, count } = this.tools
    const answer = await this.#send(attempt)
    if (sender.isCut && answer.statusCode === null) {
      this.#unread.set(attempt.id, attempt)
      return
    }
    const outcome = verdict(answer, attempt.attempts + 1, policy.clock(), Math.random())
    // The others would fare no better: they have their turn one by one, until it answers again.
    if (isDown(answer)) this.#isEnded = true
    count(outcome.status)
    this.#noted.push(recorder.record({ attempt, answer, verdict: outcome }))
  }

  async #send(attempt: Attempt): Promise<Answer> {
    const { eventId: id, type, createdAt, payload, url } = attempt
    const body = JSON.stringify(webhookMessage({ id, type, createdAt, payload }))
    let secrets: string[]
    try {
      secrets = this.#secrets(attempt)
    } catch (error) {
      this.tools.warn(error)
      return noAnswer("the webhook's secret cannot be opened: rotate it")
    }
    const headers = {
      ...{ 'content-type': 'application/json', 'user-agent': 'APIGate-Webhooks' },
      ...signatureHeaders(id, this.tools.policy.clock(), body, secrets),
    }
    return this.tools.sender.post({ url, headers, body }, this.#receiver!)
  }

  /** The newest first. */
  #secrets({ secretSealed, previousSecretSealed, previousSecretUntil }: Attempt): string[] {
    const { sealer, policy } = this.tools
    const overlaps = previousSecretUntil !== null && previousSecretUntil.getTime() > policy.clock()
    const sealed = [secretSealed, ...(overlaps && previousSecretSealed !== null ? [previousSecretSealed] : [])]
    return sealed.map((secret) => sealer.open(secret))
  }
}
