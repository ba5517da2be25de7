import { Module } from '@nestjs/common'
import { AuditModule } from '../../audit/index.ts'
import { relationshipReads, relationshipWrites, toManyEndpoints } from '../../jsonapi/index.ts'
import { PlansModule } from '../plans/index.ts'
import { UsersModule } from '../users/index.ts'
import { GroupsController } from './groups.controller.ts'
import { GroupInput } from './groups.input.ts'
import { GroupsRepository } from './groups.repository.ts'
import { groupResource, memberResource } from './groups.resource.ts'
import { GroupsService } from './groups.service.ts'
import { MembersController } from './members.controller.ts'
import { MembersRepository } from './members.repository.ts'
import { MembersService } from './members.service.ts'

@Module({
  imports: [AuditModule, PlansModule, UsersModule],
  controllers: [
    GroupsController,
    MembersController,
    relationshipReads(groupResource, GroupsService),
    relationshipWrites(groupResource, GroupsService, GroupInput),
    relationshipReads(memberResource, MembersService),
    toManyEndpoints(groupResource, 'members', GroupsService, MembersService, MembersService),
  ],
  providers: [GroupsRepository, GroupsService, MembersRepository, MembersService],
  exports: [GroupsService],
})
export class GroupsModule {}
