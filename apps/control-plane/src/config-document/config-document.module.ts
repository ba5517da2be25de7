import { Module } from '@nestjs/common'
import { AuditModule } from '../audit/index.ts'
import { OperationsModule } from '../operations/index.ts'
import { ConfigDocumentController } from './config-document.controller.ts'
import { ConfigDocumentRepository } from './config-document.repository.ts'
import { ConfigDocumentService } from './config-document.service.ts'

@Module({
  imports: [AuditModule, OperationsModule],
  controllers: [ConfigDocumentController],
  providers: [ConfigDocumentRepository, ConfigDocumentService],
})
export class ConfigDocumentModule {}
