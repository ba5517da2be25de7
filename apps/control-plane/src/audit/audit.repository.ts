import { newId } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import type { Actor } from '../auth/index.ts'
import type { Transaction } from '../persistence/index.ts'
import { Prisma } from '../persistence/generated/client.ts'
import type { AuditEntry } from './audit-entry.ts'

@Injectable()
export class AuditRepository {
  async insert(tx: Transaction, entries: readonly AuditEntry[], actor: Actor, revision: bigint | null): Promise<void> {
    await tx.auditEvent.createMany({
      data: entries.map(({ before, after, ...entry }) => ({
        id: newId('aud'),
        ...entry,
        actorType: actor.type,
        actorId: actor.id,
        before: before ?? Prisma.DbNull,
        after: after ?? Prisma.DbNull,
        requestId: actor.requestId,
        address: actor.address,
        configRevision: revision,
      })),
    })
  }

  /** The newest configuration revision. */
  async revision(tx: Transaction): Promise<bigint> {
    const head = await tx.configHead.findUniqueOrThrow({ where: { id: 1 } })
    return head.revision
  }
}
