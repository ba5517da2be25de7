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
import { auditEventResource } from './audit-events.resource.ts'
import { AuditEventsService } from './audit-events.service.ts'

@Controller(auditEventResource.path)
export class AuditEventsController {
  constructor(private readonly events: AuditEventsService) {}

  @Get()
  async list(@FromListQuery(auditEventResource) query: ListQuery): Promise<Answer> {
    return collectionAnswer(auditEventResource, query, await this.events.list(query))
  }

  @Get(':id')
  async get(
    @FromPath(auditEventResource) id: string,
    @FromItemQuery(auditEventResource) query: ItemQuery,
  ): Promise<Answer> {
    return resourceAnswer(auditEventResource, query, await this.events.get(id))
  }
}
