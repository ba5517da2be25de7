import { Controller, Delete, Get } from '@nestjs/common'
import { CurrentActor, type Actor } from '../../auth/index.ts'
import {
  collectionAnswer,
  deletedAnswer,
  FromBarePath,
  FromItemQuery,
  FromListQuery,
  FromPath,
  resourceAnswer,
  type Answer,
  type ItemQuery,
  type ListQuery,
} from '../../jsonapi/index.ts'
import { sessionResource } from './sessions.resource.ts'
import { SessionsService } from './sessions.service.ts'

/** Sessions of all who have signed in; /auth/login makes them. */
@Controller(sessionResource.path)
export class SessionsController {
  constructor(private readonly sessions: SessionsService) {}

  @Get()
  async list(@FromListQuery(sessionResource) query: ListQuery): Promise<Answer> {
    return collectionAnswer(sessionResource, query, await this.sessions.list(query))
  }

  @Get(':id')
  async get(@FromPath(sessionResource) id: string, @FromItemQuery(sessionResource) query: ItemQuery): Promise<Answer> {
    return resourceAnswer(sessionResource, query, await this.sessions.get(id, query.include))
  }

  @Delete(':id')
  async delete(@FromBarePath(sessionResource) id: string, @CurrentActor() actor: Actor): Promise<Answer> {
    return deletedAnswer(await this.sessions.end(id, actor))
  }
}
