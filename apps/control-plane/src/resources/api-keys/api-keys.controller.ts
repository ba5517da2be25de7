import { Body, Controller, Delete, Get, Patch, Post } from '@nestjs/common'
import { CurrentActor, type Actor } from '../../auth/index.ts'
import {
  collectionAnswer,
  createdAnswer,
  deletedAnswer,
  Describe,
  FromBarePath,
  FromCreation,
  FromActionPath,
  FromItemQuery,
  FromListQuery,
  FromPath,
  FromUpdate,
  FromWriteQuery,
  Noted,
  readCreation,
  resourceAnswer,
  updatedAnswer,
  type Answer,
  type Creation,
  type ItemQuery,
  type ListQuery,
  type Update,
} from '../../jsonapi/index.ts'
import { ApiKeyChanges, ApiKeyInput, RotationInput } from './api-keys.input.ts'
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
  @Describe({
    description: 'The key is in `data.meta.key` of this answer and nowhere else.',
    example: { name: 'Production Key', user_id: 'usr_abc123' },
    meta: shownOnce,
  })
  async create(
    @FromCreation(apiKeyResource, ApiKeyInput) creation: Creation<ApiKeyInput>,
    @FromWriteQuery(apiKeyResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    const { written, key } = await this.keys.create(creation, actor)
    return createdAnswer(apiKeyResource, query, written, { key, note: keyNote })
  }

  @Patch(':id')
  async update(
    @FromPath(apiKeyResource) id: string,
    @FromUpdate(apiKeyResource, ApiKeyChanges) update: Update<ApiKeyChanges>,
    @FromWriteQuery(apiKeyResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    return updatedAnswer(apiKeyResource, query, await this.keys.update(id, update, actor))
  }

  /** Makes the successor, with an id of the client's if the body has one; the body may be left out. */
  @Post(':id/rotate')
  @Noted({ kind: 'creation', definition: apiKeyResource, Input: RotationInput })
  @Describe({
    summary: 'Replace an api key by a new one',
    operationId: 'rotateApiKey',
    description: 'Makes a successor of the key. It is in `data.meta.key` of this answer and nowhere else.',
    meta: shownOnce,
  })
  async rotate(
    @FromPath(apiKeyResource) id: string,
    @Body() body: unknown,
    @FromWriteQuery(apiKeyResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    const creation = readCreation(apiKeyResource, RotationInput, body ?? {})
    const { written, key } = await this.keys.rotate(id, creation, actor)
    return createdAnswer(apiKeyResource, query, written, { key, note: keyNote })
  }

  @Post(':id/revoke')
  async revoke(
    @FromActionPath(apiKeyResource) id: string,
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
