import { Controller, Get, Param } from '@nestjs/common'
import {
  collectionAnswer,
  existing,
  FromItemQuery,
  FromListQuery,
  listOf,
  resourceAnswer,
  type Answer,
  type ItemQuery,
  type ListQuery,
} from '../jsonapi/index.ts'
import { FleetService } from './fleet.service.ts'
import { workerResource } from './workers.resource.ts'

@Controller(workerResource.path)
export class FleetController {
  constructor(private readonly fleet: FleetService) {}

  @Get()
  async list(@FromListQuery(workerResource) query: ListQuery): Promise<Answer> {
    const page = listOf(await this.fleet.workers(), query)
    return collectionAnswer(workerResource, query, page, { heard_at: this.fleet.heardAt() })
  }

  @Get(':id')
  async get(@Param('id') id: string, @FromItemQuery(workerResource) query: ItemQuery): Promise<Answer> {
    const row = (await this.fleet.workers()).find((worker) => worker.id === id)
    return resourceAnswer(workerResource, query, existing(workerResource, id, row))
  }
}
