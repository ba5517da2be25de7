import { Module } from '@nestjs/common'
import { AuditModule } from '../../audit/index.ts'
import { relationshipReads } from '../../jsonapi/index.ts'
import { SessionsController } from './sessions.controller.ts'
import { SessionsRepository } from './sessions.repository.ts'
import { sessionResource } from './sessions.resource.ts'
import { SessionsService } from './sessions.service.ts'

@Module({
  imports: [AuditModule],
  controllers: [SessionsController, relationshipReads(sessionResource, SessionsService)],
  providers: [SessionsRepository, SessionsService],
  exports: [SessionsService],
})
export class SessionsModule {}
