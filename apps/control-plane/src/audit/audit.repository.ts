import { newId } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import type { Actor } from '../auth/index.ts'
import { insertRows, type Transaction } from '../persistence/index.ts'
import type { AuditEntry } from './audit-entry.ts'

@Injectable()
export class AuditRepository {
  async insert(tx: Transaction, entries: readonly AuditEntry[], actor: Actor, revision: bigint | null): Promise<void> {
    const createdAt = new Date()
    const rows = entries.map(({ action, targetType, targetId, before, after }) => ({
      ...{ id: newId('aud'), createdAt, action, targetType, targetId, before, after },
      ...{ actorType: actor.type, actorId: actor.id, requestId: actor.requestId, address: actor.address },
      configRevision: revision,
    }))
    await insertRows(tx, 'audit_events', rows)
  }

  /** One unit of many writes at a time: two that lock the same rows in different orders would do little but lose. */
  async lockMany(tx: Transaction): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('apigate.audit.together'))`
  }

  /** The newest configuration revision. */
  async revision(tx: Transaction): Promise<bigint> {
    const head = await tx.configHead.findUniqueOrThrow({ where: { id: 1 } })
    return head.revision
  }
}
