import { Controller, Delete, Get, Patch, Post } from '@nestjs/common'
import { CurrentActor, type Actor } from '../../auth/index.ts'
import {
  collectionAnswer,
  createdAnswer,
  deletedAnswer,
  Describe,
  FromAction,
  FromBarePath,
  FromCreation,
  FromActionPath,
  FromItemQuery,
  FromListQuery,
  FromPath,
  FromUpdate,
  FromWriteQuery,
  parseTimestamp,
  resourceAnswer,
  updatedAnswer,
  type Answer,
  type Creation,
  type ItemQuery,
  type ListQuery,
  type Update,
} from '../../jsonapi/index.ts'
import { DeliveriesService } from './deliveries.service.ts'
import { RedeliveryInput, SecretRotationInput, WebhookInput } from './webhooks.input.ts'
import { deliveryResource, webhookResource } from './webhooks.resource.ts'
import { secretNote, WebhooksService } from './webhooks.service.ts'

const secretMeta = {
  type: 'object',
  properties: { secret: { type: 'string', pattern: '^whsec_' }, note: { type: 'string' } },
}

@Controller(webhookResource.path)
export class WebhooksController {
  constructor(
    private readonly webhooks: WebhooksService,
    private readonly deliveries: DeliveriesService,
  ) {}

  @Get()
  async list(@FromListQuery(webhookResource) query: ListQuery): Promise<Answer> {
    return collectionAnswer(webhookResource, query, await this.webhooks.list(query))
  }

  @Get(':id')
  async get(@FromPath(webhookResource) id: string, @FromItemQuery(webhookResource) query: ItemQuery): Promise<Answer> {
    return resourceAnswer(webhookResource, query, await this.webhooks.get(id, query.include))
  }

  @Post()
  @Describe({ meta: secretMeta })
  async create(
    @FromCreation(webhookResource, WebhookInput) creation: Creation<WebhookInput>,
    @FromWriteQuery(webhookResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    const { written, secret } = await this.webhooks.create(creation, actor)
    return createdAnswer(webhookResource, query, written, { secret, note: secretNote })
  }

  @Patch(':id')
  async update(
    @FromPath(webhookResource) id: string,
    @FromUpdate(webhookResource, WebhookInput) update: Update<WebhookInput>,
    @FromWriteQuery(webhookResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    return updatedAnswer(webhookResource, query, await this.webhooks.update(id, update, actor))
  }

  @Delete(':id')
  async delete(@FromBarePath(webhookResource) id: string, @CurrentActor() actor: Actor): Promise<Answer> {
    return deletedAnswer(await this.webhooks.delete(id, actor))
  }

  @Post(':id/rotate-secret')
  @Describe({ operationId: 'rotateWebhookSecret', summary: 'Replace the secret', meta: secretMeta })
  async rotateSecret(
    @FromPath(webhookResource) id: string,
    @FromAction(webhookResource, SecretRotationInput) input: SecretRotationInput,
    @FromWriteQuery(webhookResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    const { written, secret } = await this.webhooks.rotateSecret(id, input, actor)
    return updatedAnswer(webhookResource, query, written, { secret, note: secretNote })
  }

  @Post(':id/test')
  @Describe({ operationId: 'testWebhook', summary: 'Send a test event', answer: { status: 201 } })
  async test(
    @FromActionPath(webhookResource) id: string,
    @FromWriteQuery(deliveryResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    const { row: eventId, revision } = await this.webhooks.test(id, actor)
    return createdAnswer(deliveryResource, query, { row: await this.deliveries.ofEvent(id, eventId), revision })
  }

  @Post(':id/redeliver')
  @Describe({
    operationId: 'redeliverWebhook',
    summary: 'Send again what has failed since a time',
    meta: { type: 'object', properties: { deliveries: { type: 'integer' } } },
  })
  async redeliver(
    @FromPath(webhookResource) id: string,
    @FromAction(webhookResource, RedeliveryInput) input: RedeliveryInput,
    @FromWriteQuery(webhookResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    const since = parseTimestamp(input.since ?? '') ?? new Date()
    const { row, revision } = await this.webhooks.redeliver(id, since, actor)
    return updatedAnswer(webhookResource, query, { row: row.webhook, revision }, { deliveries: row.count })
  }
}
