import { Injectable } from '@nestjs/common'
import { notFound, type IncludeTree, type ListQuery, type Page } from '../../jsonapi/index.ts'
import { UsageEventsRepository, type UsageEventRow } from './usage-events.repository.ts'
import { usageEventResource } from './usage-events.resource.ts'

@Injectable()
export class UsageEventsService {
  constructor(private readonly events: UsageEventsRepository) {}

  async list(query: ListQuery): Promise<Page<UsageEventRow>> {
    return this.events.list(query)
  }

  async get(id: string, include: IncludeTree | null): Promise<UsageEventRow> {
    const row = await this.events.find(id, include)
    if (row === null) throw notFound(usageEventResource, id)
    return row
  }
}
