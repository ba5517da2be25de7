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
  InputError,
  resourceAnswer,
  updatedAnswer,
  type Answer,
  type Creation,
  type ItemQuery,
  type ListQuery,
  type Update,
} from '../../jsonapi/index.ts'
import { GroupInput, MemberInput } from './groups.input.ts'
import { groupResource, memberResource } from './groups.resource.ts'
import { GroupsService } from './groups.service.ts'
import { MembersService } from './members.service.ts'

@Controller(groupResource.path)
export class GroupsController {
  constructor(
    private readonly groups: GroupsService,
    private readonly members: MembersService,
  ) {}

  @Get()
  async list(@FromListQuery(groupResource) query: ListQuery): Promise<Answer> {
    return collectionAnswer(groupResource, query, await this.groups.list(query))
  }

  @Get(':id')
  async get(@FromPath(groupResource) id: string, @FromItemQuery(groupResource) query: ItemQuery): Promise<Answer> {
    return resourceAnswer(groupResource, query, await this.groups.get(id, query.include))
  }

  @Post()
  async create(
    @FromCreation(groupResource, GroupInput) creation: Creation<GroupInput>,
    @FromWriteQuery(groupResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    return createdAnswer(groupResource, query, await this.groups.create(creation, actor))
  }

  @Patch(':id')
  async update(
    @FromPath(groupResource) id: string,
    @FromUpdate(groupResource, GroupInput) update: Update<GroupInput>,
    @FromWriteQuery(groupResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    return updatedAnswer(groupResource, query, await this.groups.update(id, update, actor))
  }

  @Delete(':id')
  async delete(@FromBarePath(groupResource) id: string, @CurrentActor() actor: Actor): Promise<Answer> {
    return deletedAnswer(await this.groups.delete(id, actor))
  }

  /** The other way to make a member: in the collection of the group's members. */
  @Post(':id/members')
  @Describe({ summary: 'Create a member of a group', operationId: 'createMemberOfGroup' })
  async createMember(
    @FromPath(groupResource) id: string,
    @FromCreation(memberResource, MemberInput) creation: Creation<MemberInput>,
    @FromWriteQuery(memberResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    const { group_id: named = id } = creation.input
    if (named !== id) throw InputError.of('conflict', 'group_id', `the URL names ${id}`)
    const input = Object.assign(creation.input, { group_id: id })
    return createdAnswer(memberResource, query, await this.members.create({ ...creation, input }, actor))
  }
}
