import { Module } from '@nestjs/common'
import { AuditEventsController } from './audit-events.controller.ts'
import { AuditEventsRepository } from './audit-events.repository.ts'
import { AuditEventsService } from './audit-events.service.ts'

@Module({ controllers: [AuditEventsController], providers: [AuditEventsRepository, AuditEventsService] })
export class AuditEventsModule {}
