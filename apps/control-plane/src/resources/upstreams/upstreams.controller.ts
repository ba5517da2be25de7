import { Controller, Delete, Get, Patch, Post } from '@nestjs/common'
import { CurrentActor, type Actor } from '../../auth/index.ts'
import {
  collectionAnswer,
  createdAnswer,
  deletedAnswer,
  Describe,
  FromBarePath,
  FromCreation,
  FromItemQuery,
  FromListQuery,
  FromPath,
  FromUpdate,
  FromWriteQuery,
  resourceAnswer,
  updatedAnswer,
  type Answer,
  type Creation,
  type ItemQuery,
  type ListQuery,
  type Update,
} from '../../jsonapi/index.ts'
import { UpstreamInput } from './upstreams.input.ts'
import { upstreamResource } from './upstreams.resource.ts'
import { UpstreamsService } from './upstreams.service.ts'

const example = {
  name: 'users-service',
  base_url: 'https://api.internal/users',
  auth_type: 'bearer',
  auth_value: 'secret',
}

@Controller(upstreamResource.path)
export class UpstreamsController {
  constructor(private readonly upstreams: UpstreamsService) {}

  @Get()
  async list(@FromListQuery(upstreamResource) query: ListQuery): Promise<Answer> {
    return collectionAnswer(upstreamResource, query, await this.upstreams.list(query))
  }

  @Get(':id')
  async get(
    @FromPath(upstreamResource) id: string,
    @FromItemQuery(upstreamResource) query: ItemQuery,
  ): Promise<Answer> {
    return resourceAnswer(upstreamResource, query, await this.upstreams.get(id))
  }

  @Post()
  @Describe({ example })
  async create(
    @FromCreation(upstreamResource, UpstreamInput) creation: Creation<UpstreamInput>,
    @FromWriteQuery(upstreamResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    return createdAnswer(upstreamResource, query, await this.upstreams.create(creation, actor))
  }

  @Patch(':id')
  async update(
    @FromPath(upstreamResource) id: string,
    @FromUpdate(upstreamResource, UpstreamInput) update: Update<UpstreamInput>,
    @FromWriteQuery(upstreamResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    return updatedAnswer(upstreamResource, query, await this.upstreams.update(id, update, actor))
  }

  @Delete(':id')
  async delete(@FromBarePath(upstreamResource) id: string, @CurrentActor() actor: Actor): Promise<Answer> {
    return deletedAnswer(await this.upstreams.delete(id, actor))
  }
}
