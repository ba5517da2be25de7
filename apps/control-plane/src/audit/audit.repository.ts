import type { ConfigItem } from '@apigate/core'
import { newId } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import type { Actor } from '../auth/index.ts'
import { appendConfigChange } from '../config-publisher/index.ts'
import { byColumn, insertRows, sliceRows, type Transaction } from '../persistence/index.ts'
import type { WebhookEvent } from '../webhook-outbox/index.ts'
import type { AuditEntry } from './audit-entry.ts'

/** A row of the audit trail but for its revision. */
type AuditRow = ReturnType<typeof auditRow>

export function auditRow({ action, targetType, targetId, before, after }: AuditEntry, actor: Actor, createdAt: Date) {
  return {
    ...{ id: newId('aud'), createdAt, action, targetType, targetId, before, after },
    ...{ actorType: actor.type, actorId: actor.id, requestId: actor.requestId, address: actor.address },
  }
}

@Injectable()
export class AuditRepository {
  /** @param revision null when they come with no change of the configuration. */
  async insert(tx: Transaction, rows: readonly AuditRow[], revision: bigint | null): Promise<void> {
    await insertRows(
      tx,
      'audit_events',
      rows.map((row) => ({ ...row, configRevision: revision })),
    )
  }

  /** With a configuration change and the events that both raise. @returns its revision. */
  async insertWithChange(
    tx: Transaction,
    rows: readonly AuditRow[],
    items: ConfigItem[],
    events: readonly WebhookEvent[],
    actor: Actor,
  ): Promise<bigint> {
    const audit = rows.slice(0, sliceRows).map(byColumn)
    const revision = await appendConfigChange(tx, items, actor, { events, audit })
    await this.insert(tx, rows.slice(sliceRows), revision)
    return revision
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
