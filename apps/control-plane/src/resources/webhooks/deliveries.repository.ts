import { Injectable } from '@nestjs/common'
import type { IncludeTree, ListQuery, Page } from '../../jsonapi/index.ts'
import type { Prisma, WebhookDelivery, WebhookEvent } from '../../persistence/generated/client.ts'
import { Database, readPage, readRow, type Transaction } from '../../persistence/index.ts'
import { deliveryResource } from './webhooks.resource.ts'

export type DeliveryRow = WebhookDelivery
export type EventRow = WebhookEvent

/** From the start, with all attempts. */
const anew = { status: 'pending', attempts: 0, deliveredAt: null } as const

@Injectable()
export class DeliveriesRepository {
  constructor(private readonly database: Database) {}

  async list(query: ListQuery): Promise<Page<DeliveryRow>> {
    return readPage(this.database.prisma, deliveryResource, query)
  }

  async find(id: string, include: IncludeTree | null = null): Promise<DeliveryRow | null> {
    return readRow(this.database.prisma, deliveryResource, id, include)
  }

  async findEvent(id: string): Promise<EventRow | null> {
    return this.database.prisma.webhookEvent.findUnique({ where: { id } })
  }

  async findOf(webhookId: string, eventId: string): Promise<DeliveryRow | null> {
    return this.database.prisma.webhookDelivery.findUnique({ where: { eventId_webhookId: { eventId, webhookId } } })
  }

  async lock(tx: Transaction, id: string): Promise<DeliveryRow | null> {
    await tx.$queryRaw`SELECT 1 FROM webhook_deliveries WHERE id = ${id} FOR UPDATE`
    return tx.webhookDelivery.findUnique({ where: { id } })
  }

  /** Due now. One that waits for a retry keeps the count of its attempts. */
  async makeDue(tx: Transaction, { id, status }: DeliveryRow): Promise<DeliveryRow> {
    const data: Prisma.WebhookDeliveryUncheckedUpdateInput = { ...(status !== 'pending' && anew) }
    return tx.webhookDelivery.update({ where: { id }, data: { ...data, nextAttemptAt: new Date() } })
  }

  /** @returns how many. */
  async makeFailedDue(tx: Transaction, webhookId: string, since: Date): Promise<number> {
    const { count } = await tx.webhookDelivery.updateMany({
      where: { webhookId, status: 'failed', createdAt: { gte: since } },
      data: { ...anew, nextAttemptAt: new Date() },
    })
    return count
  }

  /** Ends what waits to be sent; what is being sent is not tried again. */
  async giveUp(tx: Transaction, webhookId: string, reason: string): Promise<void> {
    await tx.webhookDelivery.updateMany({
      where: { webhookId, status: 'pending' },
      data: { status: 'failed', nextAttemptAt: null, lastError: reason },
    })
  }
}
