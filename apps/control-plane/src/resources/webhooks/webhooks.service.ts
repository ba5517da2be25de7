import { randomBytes } from 'node:crypto'
import { ApiError } from '@apigate/errors'
import { newId, type Sealer } from '@apigate/platform'
import { Inject, Injectable } from '@nestjs/common'
import { auditEntry, AuditedWrites } from '../../audit/index.ts'
import { systemActor, type Actor } from '../../auth/index.ts'
import {
  existing,
  InputError,
  refuseChanges,
  rowFields,
  type Creation,
  type IncludeTree,
  type ListQuery,
  type Page,
  type Update,
  type Written,
} from '../../jsonapi/index.ts'
import type { Transaction } from '../../persistence/index.ts'
import { SEALER } from '../../settings.module.ts'
import { resourceEvent, webhookEvent } from '../../webhook-outbox/index.ts'
import { RefusedTargetError, TargetGuard } from '../../webhook-target/index.ts'
import { DeliveriesRepository } from './deliveries.repository.ts'
import { overlapSecondsDefault, type SecretRotationInput, type WebhookInput } from './webhooks.input.ts'
import { WebhooksRepository, type WebhookRow } from './webhooks.repository.ts'
import { webhookResource } from './webhooks.resource.ts'

/** The row, and its secret, which is shown once. */
export interface NewSecret {
  written: Written<WebhookRow>
  secret: string
}

const lookUpMsMax = 3_000

/** Shown with a secret. */
export const secretNote = 'Save this secret securely. It will not be shown again.'

@Injectable()
export class WebhooksService {
  constructor(
    private readonly webhooks: WebhooksRepository,
    private readonly deliveries: DeliveriesRepository,
    private readonly writes: AuditedWrites,
    private readonly guard: TargetGuard,
    @Inject(SEALER) private readonly sealer: Sealer,
  ) {}

  async list(query: ListQuery): Promise<Page<WebhookRow>> {
    return this.webhooks.list(query)
  }

  async get(id: string, include: IncludeTree | null): Promise<WebhookRow> {
    return existing(webhookResource, id, await this.webhooks.find(id, include))
  }

  async create({ id, input }: Creation<WebhookInput>, actor: Actor): Promise<NewSecret> {
    await this.checkTarget(input)
    const secret = newSecret()
    const written = await this.writes.run(actor, async (tx) => {
      const row = await this.webhooks.insert(tx, {
        ...{ id: id ?? newId('whk'), name: '', url: '', ...rowFields(input) },
        secretSealed: this.sealer.seal(secret),
      })
      return { row, audit: [auditEntry(webhookResource, 'create', null, row)], items: [] }
    })
    return { written, secret }
  }

  /** Disabling ends what waits to be sent; enabling begins with a clean slate. */
  async update(id: string, update: Update<WebhookInput>, actor: Actor): Promise<Written<WebhookRow>> {
    const { input } = update
    await this.checkTarget(input)
    return this.writes.run(actor, async (tx) => {
      const before = existing(webhookResource, id, await this.webhooks.lock(tx, id))
      refuseChanges(webhookResource, before, update)
      const enabled = input.enabled ?? before.enabled
      const anew = enabled && !before.enabled ? { disabledAt: null, failingSince: null } : {}
      const row = await this.webhooks.update(tx, id, { ...rowFields(input), ...anew })
      if (before.enabled && !enabled) await this.deliveries.giveUp(tx, id, 'the webhook was disabled')
      return { row, audit: [auditEntry(webhookResource, 'update', before, row)], items: [] }
    })
  }

  async delete(id: string, actor: Actor): Promise<Written<null>> {
    return this.writes.run(actor, async (tx) => {
      const before = existing(webhookResource, id, await this.webhooks.lock(tx, id))
      await this.webhooks.delete(tx, id)
      return { row: null, audit: [auditEntry(webhookResource, 'delete', before, null)], items: [] }
    })
  }

  /** Of an old secret that still signs beside the one that is replaced now, nothing is left. */
  async rotateSecret(id: string, input: SecretRotationInput, actor: Actor): Promise<NewSecret> {
    const secret = newSecret()
    const overlapMs = (input.overlap_seconds ?? overlapSecondsDefault) * 1_000
    const written = await this.writes.run(actor, async (tx) => {
      const before = existing(webhookResource, id, await this.webhooks.lock(tx, id))
      const row = await this.webhooks.update(tx, id, {
        secretSealed: this.sealer.seal(secret),
        previousSecretSealed: overlapMs > 0 ? before.secretSealed : null,
        previousSecretUntil: overlapMs > 0 ? new Date(Date.now() + overlapMs) : null,
      })
      return { row, audit: [auditEntry(webhookResource, 'rotate_secret', before, row)], items: [] }
    })
    return { written, secret }
  }

  /** Sends an event of type `test` to this webhook, also when it is disabled. @returns the event's id. */
  async test(id: string, actor: Actor): Promise<Written<string>> {
    const event = webhookEvent('test', { type: webhookResource.type, id }, id)
    return this.writes.run(actor, async (tx) => {
      const row = existing(webhookResource, id, await this.webhooks.lock(tx, id))
      return { row: event.id, audit: [auditEntry(webhookResource, 'test', row, row)], items: [], events: [event] }
    })
  }

  /** Sends again what has failed and was raised at that time or later. @returns also how many. */
  async redeliver(id: string, since: Date, actor: Actor): Promise<Written<{ webhook: WebhookRow; count: number }>> {
    return this.writes.run(actor, async (tx) => {
      const webhook = existing(webhookResource, id, await this.webhooks.lock(tx, id))
      mustBeEnabled(webhook)
      const count = await this.deliveries.makeFailedDue(tx, id, since)
      const audit = [auditEntry(webhookResource, 'redeliver', webhook, webhook)]
      return { row: { webhook, count }, audit: count > 0 ? audit : [], items: [] }
    })
  }

  /** Disables a webhook that is still failing since that time or longer. @returns whether it did. */
  async disableFailing(id: string, since: Date): Promise<boolean> {
    const { row } = await this.writes.run(systemActor, async (tx) => {
      const before = await this.webhooks.lock(tx, id)
      if (!before?.enabled || before.failingSince === null || before.failingSince > since) {
        return { row: false, audit: [], items: [] }
      }
      const row = await this.webhooks.update(tx, id, { enabled: false, disabledAt: new Date() })
      await this.deliveries.giveUp(tx, id, 'the webhook was disabled for having failed too long')
      return {
        row: true,
        audit: [auditEntry(webhookResource, 'disable', before, row)],
        items: [],
        events: [resourceEvent('webhook.disabled', webhookResource, before, row)],
      }
    })
    return row
  }

  /** For what adds deliveries. @throws ApiError 409 when it is disabled. */
  async lockEnabled(tx: Transaction, id: string): Promise<void> {
    const webhook = await this.webhooks.lock(tx, id)
    if (webhook) mustBeEnabled(webhook)
  }

  /** A name that cannot be looked up is no mistake yet: where it leads is checked again before anything is sent. */
  private async checkTarget({ url }: WebhookInput): Promise<void> {
    if (url === undefined) return
    const late = new Promise<void>((resolve) => setTimeout(resolve, lookUpMsMax).unref())
    try {
      await Promise.race([this.guard.addressesOf(url), late])
    } catch (error) {
      if (error instanceof RefusedTargetError) throw InputError.of('validation_error', 'url', error.message)
    }
  }
}

function mustBeEnabled({ enabled }: WebhookRow): void {
  if (!enabled) throw ApiError.of('conflict', 'the webhook is disabled: enable it first')
}

/** As Standard Webhooks has it: 24 to 64 random bytes. */
function newSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`
}
