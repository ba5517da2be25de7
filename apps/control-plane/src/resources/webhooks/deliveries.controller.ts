import { Controller, Get, Post } from '@nestjs/common'
import { CurrentActor, type Actor } from '../../auth/index.ts'
import {
  collectionAnswer,
  Describe,
  FromActionPath,
  FromItemQuery,
  FromListQuery,
  FromPath,
  FromWriteQuery,
  resourceAnswer,
  updatedAnswer,
  type Answer,
  type ItemQuery,
  type ListQuery,
} from '../../jsonapi/index.ts'
import { webhookMessage } from '../../webhook-outbox/index.ts'
import { DeliveriesService } from './deliveries.service.ts'
import { deliveryResource } from './webhooks.resource.ts'

@Controller(deliveryResource.path)
export class DeliveriesController {
  constructor(private readonly deliveries: DeliveriesService) {}

  @Get()
  async list(@FromListQuery(deliveryResource) query: ListQuery): Promise<Answer> {
    return collectionAnswer(deliveryResource, query, await this.deliveries.list(query))
  }

  @Get(':id')
  @Describe({
    description: 'With what is sent in `data.meta.payload`.',
    meta: { type: 'object', properties: { payload: { type: 'object' } } },
  })
  async get(
    @FromPath(deliveryResource) id: string,
    @FromItemQuery(deliveryResource) query: ItemQuery,
  ): Promise<Answer> {
    const delivery = await this.deliveries.get(id, query.include)
    const event = await this.deliveries.eventOf(delivery)
    return resourceAnswer(deliveryResource, query, delivery, event ? { payload: webhookMessage(event) } : {})
  }

  @Post(':id/redeliver')
  @Describe({ summary: 'Send again' })
  async redeliver(
    @FromActionPath(deliveryResource) id: string,
    @FromWriteQuery(deliveryResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    return updatedAnswer(deliveryResource, query, await this.deliveries.redeliver(id, actor))
  }
}
