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
import { UserInput } from './users.input.ts'
import { userResource } from './users.resource.ts'
import { UsersService } from './users.service.ts'

const example = { email: 'user@example.com', name: 'John Doe', plan_id: 'plan_pro' }

@Controller(userResource.path)
export class UsersController {
  constructor(private readonly users: UsersService) {}

  @Get()
  async list(@FromListQuery(userResource) query: ListQuery): Promise<Answer> {
    return collectionAnswer(userResource, query, await this.users.list(query))
  }

  @Get(':id')
  async get(@FromPath(userResource) id: string, @FromItemQuery(userResource) query: ItemQuery): Promise<Answer> {
    return resourceAnswer(userResource, query, await this.users.get(id, query.include))
  }

  @Post()
  @Describe({ example })
  async create(
    @FromCreation(userResource, UserInput) creation: Creation<UserInput>,
    @FromWriteQuery(userResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    return createdAnswer(userResource, query, await this.users.create(creation, actor))
  }

  @Patch(':id')
  async update(
    @FromPath(userResource) id: string,
    @FromUpdate(userResource, UserInput) update: Update<UserInput>,
    @FromWriteQuery(userResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    return updatedAnswer(userResource, query, await this.users.update(id, update, actor))
  }

  @Delete(':id')
  async delete(@FromBarePath(userResource) id: string, @CurrentActor() actor: Actor): Promise<Answer> {
    return deletedAnswer(await this.users.delete(id, actor))
  }
}
