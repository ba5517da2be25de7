import { Controller, Delete, Get, Patch, Post } from '@nestjs/common'
import { CurrentActor, type Actor } from '../../auth/index.ts'
import {
  collectionAnswer,
  createdAnswer,
  deletedAnswer,
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
import { MemberChanges, MemberInput } from './groups.input.ts'
import { memberResource } from './groups.resource.ts'
import { MembersService } from './members.service.ts'

@Controller(memberResource.path)
export class MembersController {
  constructor(private readonly members: MembersService) {}

  @Get()
  async list(@FromListQuery(memberResource) query: ListQuery): Promise<Answer> {
    return collectionAnswer(memberResource, query, await this.members.list(query))
  }

  @Get(':id')
  async get(@FromPath(memberResource) id: string, @FromItemQuery(memberResource) query: ItemQuery): Promise<Answer> {
    return resourceAnswer(memberResource, query, await this.members.get(id, query.include))
  }

  @Post()
  async create(
    @FromCreation(memberResource, MemberInput) creation: Creation<MemberInput>,
    @FromWriteQuery(memberResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    return createdAnswer(memberResource, query, await this.members.create(creation, actor))
  }

  @Patch(':id')
  async update(
    @FromPath(memberResource) id: string,
    @FromUpdate(memberResource, MemberChanges) update: Update<MemberChanges>,
    @FromWriteQuery(memberResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    return updatedAnswer(memberResource, query, await this.members.update(id, update, actor))
  }

  @Delete(':id')
  async delete(@FromBarePath(memberResource) id: string, @CurrentActor() actor: Actor): Promise<Answer> {
    return deletedAnswer(await this.members.delete(id, actor))
  }
}
