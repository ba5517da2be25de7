import { Injectable } from '@nestjs/common'
import { existing, type ListQuery, type Page } from '../../jsonapi/index.ts'
import { AuditEventsRepository, type AuditEventRow } from './audit-events.repository.ts'
import { auditEventResource } from './audit-events.resource.ts'

@Injectable()
export class AuditEventsService {
  constructor(private readonly events: AuditEventsRepository) {}

  async list(query: ListQuery): Promise<Page<AuditEventRow>> {
    return this.events.list(query)
  }

  async get(id: string): Promise<AuditEventRow> {
    return existing(auditEventResource, id, await this.events.find(id))
  }
}
