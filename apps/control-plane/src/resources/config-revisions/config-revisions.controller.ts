import { Controller, Get, Param, Post } from '@nestjs/common'
import { CurrentActor, type Actor } from '../../auth/index.ts'
import {
  collectionAnswer,
  FromActionPath,
  FromItemQuery,
  FromListQuery,
  FromWriteQuery,
  resourceAnswer,
  updatedAnswer,
  type Answer,
  type ItemQuery,
  type ListQuery,
} from '../../jsonapi/index.ts'
import { configRevisionResource } from './config-revisions.resource.ts'
import { ConfigRevisionsService } from './config-revisions.service.ts'

@Controller(configRevisionResource.path)
export class ConfigRevisionsController {
  constructor(private readonly revisions: ConfigRevisionsService) {}

  @Get()
  async list(@FromListQuery(configRevisionResource) query: ListQuery): Promise<Answer> {
    return collectionAnswer(configRevisionResource, query, await this.revisions.list(query))
  }

  @Get(':id')
  async get(@Param('id') id: string, @FromItemQuery(configRevisionResource) query: ItemQuery): Promise<Answer> {
    return resourceAnswer(configRevisionResource, query, await this.revisions.get(id))
  }

  @Post(':id/rollback')
  async rollback(
    @FromActionPath(configRevisionResource) id: string,
    @FromWriteQuery(configRevisionResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    const { row, revision } = await this.revisions.rollback(id, actor)
    const made = await this.revisions.get(String(revision))
    return updatedAnswer(configRevisionResource, query, { row: made, revision }, { kept: row.kept })
  }
}
