import { Injectable } from '@nestjs/common'
import { existing, type IncludeTree, type ListQuery, type Page } from '../../jsonapi/index.ts'
import { UsageEventsRepository, type UsageEventRow } from './usage-events.repository.ts'
import { usageEventResource } from './usage-events.resource.ts'

@Injectable()
export class UsageEventsService {
  constructor(private readonly events: UsageEventsRepository) {}

  async list(query: ListQuery): Promise<Page<UsageEventRow>> {
    return this.events.list(query)
  }

  async get(id: string, include: IncludeTree | null): Promise<UsageEventRow> {
    return existing(usageEventResource, id, await this.events.find(id, include))
  }
}
