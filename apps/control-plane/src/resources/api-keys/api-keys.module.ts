import { Module } from '@nestjs/common'
import { AuditModule } from '../../audit/index.ts'
import { relationshipReads } from '../../jsonapi/index.ts'
import { GroupsModule } from '../groups/index.ts'
import { UsersModule } from '../users/index.ts'
import { AdminKeysController } from './admin-keys.controller.ts'
import { ApiKeysController } from './api-keys.controller.ts'
import { ApiKeysRepository } from './api-keys.repository.ts'
import { apiKeyResource } from './api-keys.resource.ts'
import { ApiKeysService } from './api-keys.service.ts'

@Module({
  imports: [AuditModule, GroupsModule, UsersModule],
  controllers: [ApiKeysController, AdminKeysController, relationshipReads(apiKeyResource, ApiKeysService)],
  providers: [ApiKeysRepository, ApiKeysService],
  exports: [ApiKeysService],
})
export class ApiKeysModule {}
