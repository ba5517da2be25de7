import { Module } from '@nestjs/common'
import { AuditModule } from '../../audit/index.ts'
import { ConfigRevisionsController } from './config-revisions.controller.ts'
import { ConfigRevisionsRepository } from './config-revisions.repository.ts'
import { ConfigRevisionsService } from './config-revisions.service.ts'
import { ConfigVersionsRepository } from './config-versions.repository.ts'

@Module({
  imports: [AuditModule],
  controllers: [ConfigRevisionsController],
  providers: [ConfigRevisionsRepository, ConfigRevisionsService, ConfigVersionsRepository],
})
export class ConfigRevisionsModule {}
