import { Controller, Delete, Get, Post } from '@nestjs/common'
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
  FromWriteQuery,
  resourceAnswer,
  updatedAnswer,
  type Answer,
  type Creation,
  type ItemQuery,
  type ListQuery,
} from '../../jsonapi/index.ts'
import { ApiKeyInput } from './api-keys.input.ts'
import { apiKeyResource } from './api-keys.resource.ts'
import { ApiKeysService, keyNote } from './api-keys.service.ts'

const shownOnce = {
  type: 'object',
  properties: { key: { type: 'string', pattern: '^ak_[0-9a-f]{64}$' }, note: { type: 'string' } },
  required: ['key', 'note'],
}

@Controller(apiKeyResource.path)
export class ApiKeysController {
  constructor(private readonly keys: ApiKeysService) {}

  @Get()
  async list(@FromListQuery(apiKeyResource) query: ListQuery): Promise<Answer> {
    return collectionAnswer(apiKeyResource, query, await this.keys.list(query))
  }

  @Get(':id')
  async get(@FromPath(apiKeyResource) id: string, @FromItemQuery(apiKeyResource) query: ItemQuery): Promise<Answer> {
    return resourceAnswer(apiKeyResource, query, await this.keys.get(id, query.include))
  }

  @Post()
  @Describe({ description: 'The key is in `data.meta.key` of this answer and nowhere else.', meta: shownOnce })
  async create(
    @FromCreation(apiKeyResource, ApiKeyInput) creation: Creation<ApiKeyInput>,
    @FromWriteQuery(apiKeyResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    const { written, key } = await this.keys.create(creation, actor)
    return createdAnswer(apiKeyResource, query, written, { key, note: keyNote })
  }

  @Post(':id/revoke')
  async revoke(
    @FromPath(apiKeyResource) id: string,
    @FromWriteQuery(apiKeyResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    return updatedAnswer(apiKeyResource, query, await this.keys.revoke(id, actor))
  }

  @Delete(':id')
  async delete(@FromBarePath(apiKeyResource) id: string, @CurrentActor() actor: Actor): Promise<Answer> {
    return deletedAnswer(await this.keys.delete(id, actor))
  }
}
