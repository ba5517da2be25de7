import { Injectable } from '@nestjs/common'
import { auditEntry, AuditedWrites } from '../../audit/index.ts'
import type { Actor } from '../../auth/index.ts'
import { existing, type IncludeTree, type ListQuery, type Page, type Written } from '../../jsonapi/index.ts'
import { DeliveriesRepository, type DeliveryRow, type EventRow } from './deliveries.repository.ts'
import { deliveryResource } from './webhooks.resource.ts'
import { WebhooksService } from './webhooks.service.ts'

@Injectable()
export class DeliveriesService {
  constructor(
    private readonly deliveries: DeliveriesRepository,
    private readonly webhooks: WebhooksService,
    private readonly writes: AuditedWrites,
  ) {}

  async list(query: ListQuery): Promise<Page<DeliveryRow>> {
    return this.deliveries.list(query)
  }

  async get(id: string, include: IncludeTree | null): Promise<DeliveryRow> {
    return existing(deliveryResource, id, await this.deliveries.find(id, include))
  }

  /** What is delivered. */
  async eventOf({ eventId }: DeliveryRow): Promise<EventRow | null> {
    return this.deliveries.findEvent(eventId)
  }

  /** Sends it again, with the same event and so with the same id for the receiver; one that waits is sent now. */
  async redeliver(id: string, actor: Actor): Promise<Written<DeliveryRow>> {
    return this.writes.run(actor, async (tx) => {
      const { webhookId } = existing(deliveryResource, id, await this.deliveries.find(id))
      await this.webhooks.lockEnabled(tx, webhookId)
      const before = existing(deliveryResource, id, await this.deliveries.lock(tx, id))
      const row = await this.deliveries.makeDue(tx, before)
      return { row, audit: [auditEntry(deliveryResource, 'redeliver', before, row)], items: [] }
    })
  }

  /** The delivery of an event that was raised for one webhook. */
  async ofEvent(webhookId: string, eventId: string): Promise<DeliveryRow> {
    return existing(deliveryResource, eventId, await this.deliveries.findOf(webhookId, eventId))
  }
}
