import { Injectable } from '@nestjs/common'
import type { ListQuery, Page } from '../../jsonapi/index.ts'
import type { AuditEvent, ConfigRevision } from '../../persistence/generated/client.ts'
import { Database, readPage, type Transaction } from '../../persistence/index.ts'
import { configRevisionResource } from './config-revisions.resource.ts'

export interface ConfigRevisionRow extends ConfigRevision {
  /** What the revision did; null in a list. */
  changes: RevisionChange[] | null
}

/** One resource that a revision changed: of an update only the attributes that differ. */
export interface RevisionChange {
  action: string
  type: string
  id: string
  before: object | null
  after: object | null
}

/** A load of 10,000 keys is one revision. */
export const changesMax = 1_000

@Injectable()
export class ConfigRevisionsRepository {
  constructor(private readonly database: Database) {}

  async list(query: ListQuery): Promise<Page<ConfigRevisionRow>> {
    const page = await readPage<ConfigRevision>(this.database.prisma, configRevisionResource, query)
    return { ...page, rows: page.rows.map((row) => ({ ...row, changes: null })) }
  }

  async find(id: string, from: Transaction = this.database.prisma): Promise<ConfigRevision | null> {
    return from.configRevision.findUnique({ where: { id } })
  }

  /** The audit trail of a revision, as far as it is kept. */
  async findAudit(revision: bigint): Promise<AuditEvent[]> {
    return this.database.prisma.auditEvent.findMany({
      where: { configRevision: revision },
      orderBy: { id: 'asc' },
      take: changesMax,
    })
  }
}
