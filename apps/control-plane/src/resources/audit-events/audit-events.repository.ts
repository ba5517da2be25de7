import { Injectable } from '@nestjs/common'
import type { ListQuery, Page } from '../../jsonapi/index.ts'
import type { AuditEvent } from '../../persistence/generated/client.ts'
import { Database, readPage } from '../../persistence/index.ts'
import { auditEventResource } from './audit-events.resource.ts'

export type AuditEventRow = AuditEvent

@Injectable()
export class AuditEventsRepository {
  constructor(private readonly database: Database) {}

  async list(query: ListQuery): Promise<Page<AuditEventRow>> {
    return readPage(this.database.prisma, auditEventResource, query)
  }

  async find(id: string): Promise<AuditEventRow | null> {
    return this.database.prisma.auditEvent.findUnique({ where: { id } })
  }
}
