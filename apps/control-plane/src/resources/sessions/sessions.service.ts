import { newId } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import { auditEntry, AuditedWrites } from '../../audit/index.ts'
import { newSessionToken, sessionSeconds, tokenDigest, type Actor } from '../../auth/index.ts'
import { existing, type IncludeTree, type ListQuery, type Page, type Written } from '../../jsonapi/index.ts'
import type { Transaction } from '../../persistence/index.ts'
import { SessionsRepository, type SessionRow } from './sessions.repository.ts'
import { sessionResource } from './sessions.resource.ts'

const userAgentMax = 256

/** From where somebody signs in. */
export interface SessionStart {
  userId: string
  userAgent: string | undefined
  /** Of the session that the browser has until now, which ends. */
  replacedToken: string | null
  requestId: string
  address: string
}

@Injectable()
export class SessionsService {
  constructor(
    private readonly sessions: SessionsRepository,
    private readonly writes: AuditedWrites,
  ) {}

  async list(query: ListQuery): Promise<Page<SessionRow>> {
    return this.sessions.list(query)
  }

  async get(id: string, include: IncludeTree | null): Promise<SessionRow> {
    return existing(sessionResource, id, await this.sessions.find(id, include))
  }

  /**
   * @param admit is called within the transaction; what it throws ends it.
   * @returns the session, and the token for its cookie, which is nowhere else.
   */
  async start(
    { userId, userAgent, replacedToken, requestId, address }: SessionStart,
    admit: (tx: Transaction) => Promise<void>,
  ): Promise<{ written: Written<SessionRow>; token: string }> {
    const token = newSessionToken()
    const actor: Actor = { type: 'user', id: userId, requestId, address }
    const written = await this.writes.run(actor, async (tx) => {
      await admit(tx)
      await this.sessions.deleteExpired(tx)
      if (replacedToken !== null) await this.sessions.deleteByDigest(tx, tokenDigest(replacedToken))
      const row = await this.sessions.insert(tx, {
        ...{ id: newId('ses'), userId, tokenDigest: tokenDigest(token) },
        ...{ address, userAgent: userAgent?.slice(0, userAgentMax) ?? null },
        expiresAt: new Date(Date.now() + sessionSeconds * 1_000),
      })
      return { row, audit: [auditEntry(sessionResource, 'create', null, row)], items: [] }
    })
    return { written, token }
  }

  /** @throws ApiError 404 when there is none such, or no longer. */
  async end(id: string, actor: Actor): Promise<Written<null>> {
    return this.writes.run(actor, async (tx) => {
      const before = existing(sessionResource, id, await this.sessions.delete(tx, id))
      return { row: null, audit: [auditEntry(sessionResource, 'delete', before, null)], items: [] }
    })
  }
}
