import { Module } from '@nestjs/common'
import { AuditModule } from '../../audit/index.ts'
import { AuthModule } from '../../auth/index.ts'
import { relationshipReads, relationshipWrites } from '../../jsonapi/index.ts'
import { PlansModule } from '../plans/index.ts'
import { UsersController } from './users.controller.ts'
import { UserInput } from './users.input.ts'
import { UsersRepository } from './users.repository.ts'
import { userResource } from './users.resource.ts'
import { UsersService } from './users.service.ts'

@Module({
  imports: [AuditModule, AuthModule, PlansModule],
  controllers: [
    UsersController,
    relationshipReads(userResource, UsersService),
    relationshipWrites(userResource, UsersService, UserInput),
  ],
  providers: [UsersRepository, UsersService],
  exports: [UsersService],
})
export class UsersModule {}
