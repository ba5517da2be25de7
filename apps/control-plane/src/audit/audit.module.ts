import { Module } from '@nestjs/common'
import { AuditRepository } from './audit.repository.ts'
import { AuditedWrites } from './audited-writes.ts'

@Module({ providers: [AuditRepository, AuditedWrites], exports: [AuditedWrites] })
export class AuditModule {}
