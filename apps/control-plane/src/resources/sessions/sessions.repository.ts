import { Injectable } from '@nestjs/common'
import type { FilterTerm, IncludeTree, ListQuery, Page } from '../../jsonapi/index.ts'
import type { Prisma, Session } from '../../persistence/generated/client.ts'
import { Database, readPage, readRow, type Transaction } from '../../persistence/index.ts'
import { sessionResource } from './sessions.resource.ts'

export type SessionRow = Session

/** Sessions that have not ended: those that have are deleted, now or, when they expire, at some later sign-in. */
@Injectable()
export class SessionsRepository {
  constructor(private readonly database: Database) {}

  async list(query: ListQuery): Promise<Page<SessionRow>> {
    const live: FilterTerm = { field: 'expiresAt', operator: 'gt', values: [new Date()], nullable: false }
    return readPage(this.database.prisma, sessionResource, { ...query, filters: [...query.filters, live] })
  }

  async find(id: string, include: IncludeTree | null = null): Promise<SessionRow | null> {
    const row = await readRow<SessionRow>(this.database.prisma, sessionResource, id, include)
    return row !== null && isLive(row) ? row : null
  }

  async insert(tx: Transaction, data: Prisma.SessionUncheckedCreateInput): Promise<SessionRow> {
    return tx.session.create({ data })
  }

  /** What was deleted; null when it had ended before. */
  async delete(tx: Transaction, id: string): Promise<SessionRow | null> {
    await tx.$queryRaw`SELECT 1 FROM sessions WHERE id = ${id} FOR UPDATE`
    const row = await tx.session.findUnique({ where: { id } })
    await tx.session.deleteMany({ where: { id } })
    return row !== null && isLive(row) ? row : null
  }

  async deleteByDigest(tx: Transaction, tokenDigest: Uint8Array<ArrayBuffer>): Promise<void> {
    await tx.session.deleteMany({ where: { tokenDigest } })
  }

  /** Some at a time, and none that another sign-in is deleting. */
  async deleteExpired(tx: Transaction): Promise<void> {
    await tx.$executeRaw`
      DELETE FROM sessions WHERE id IN (
        SELECT id FROM sessions WHERE expires_at <= now() LIMIT 100 FOR UPDATE SKIP LOCKED)`
  }
}

function isLive({ expiresAt }: SessionRow): boolean {
  return expiresAt > new Date()
}
