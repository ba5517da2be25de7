import { Injectable } from '@nestjs/common'
import type { IncludeTree, ListQuery, Page } from '../../jsonapi/index.ts'
import type { Prisma, Webhook } from '../../persistence/generated/client.ts'
import { Database, readPage, readRow, type Transaction } from '../../persistence/index.ts'
import { webhookResource } from './webhooks.resource.ts'

export type WebhookRow = Webhook

@Injectable()
export class WebhooksRepository {
  constructor(private readonly database: Database) {}

  async list(query: ListQuery): Promise<Page<WebhookRow>> {
    return readPage(this.database.prisma, webhookResource, query)
  }

  async find(id: string, include: IncludeTree | null = null): Promise<WebhookRow | null> {
    return readRow(this.database.prisma, webhookResource, id, include)
  }

  /** The row, kept from changing, and from getting deliveries, until the transaction ends. */
  async lock(tx: Transaction, id: string): Promise<WebhookRow | null> {
    await tx.$queryRaw`SELECT 1 FROM webhooks WHERE id = ${id} FOR UPDATE`
    return tx.webhook.findUnique({ where: { id } })
  }

  async insert(tx: Transaction, data: Prisma.WebhookUncheckedCreateInput): Promise<WebhookRow> {
    return tx.webhook.create({ data })
  }

  async update(tx: Transaction, id: string, data: Prisma.WebhookUncheckedUpdateInput): Promise<WebhookRow> {
    return tx.webhook.update({ where: { id }, data })
  }

  /** The deliveries go with it. */
  async delete(tx: Transaction, id: string): Promise<void> {
    await tx.webhook.delete({ where: { id } })
  }
}
