import { Controller, Get } from '@nestjs/common'
import {
  collectionAnswer,
  FromItemQuery,
  FromListQuery,
  FromPath,
  resourceAnswer,
  type Answer,
  type ItemQuery,
  type ListQuery,
} from '../../jsonapi/index.ts'
import { usageEventResource } from './usage-events.resource.ts'
import { UsageEventsService } from './usage-events.service.ts'

@Controller(usageEventResource.path)
export class UsageEventsController {
  constructor(private readonly events: UsageEventsService) {}

  @Get()
  async list(@FromListQuery(usageEventResource) query: ListQuery): Promise<Answer> {
    return collectionAnswer(usageEventResource, query, await this.events.list(query))
  }

  @Get(':id')
  async get(
    @FromPath(usageEventResource) id: string,
    @FromItemQuery(usageEventResource) query: ItemQuery,
  ): Promise<Answer> {
    return resourceAnswer(usageEventResource, query, await this.events.get(id, query.include))
  }
}
