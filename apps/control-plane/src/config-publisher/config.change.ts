import { channels } from '@apigate/contracts'
import type { ConfigItem } from '@apigate/core'
import type { Prisma } from '../persistence/generated/client.ts'

/** Who caused a change. */
export interface ChangeActor {
  type: 'api_key' | 'user' | 'system'
  id: string | null
  requestId: string | null
}

/**
 * Numbers a change and stores it, as one statement of the caller's transaction. The row lock on `config_head` is held until
 * the commit, which makes revisions gapless and puts them in commit order; so call it last, when the writes are done.
 * NOTIFY is sent by PostgreSQL at the commit, never for a transaction that is rolled back.
 *
 * @returns the change's revision.
 */
export async function appendConfigChange(
  tx: Prisma.TransactionClient,
  items: ConfigItem[],
  actor: ChangeActor,
): Promise<bigint> {
  const [change] = await tx.$queryRaw<{ revision: bigint }[]>`
    WITH head AS (
      UPDATE config_head SET revision = revision + 1 RETURNING epoch, revision
    ), change AS (
      INSERT INTO config_changes (revision, epoch, items, actor_type, actor_id, request_id)
      SELECT revision, epoch, ${JSON.stringify(items)}::jsonb, ${actor.type}, ${actor.id}, ${actor.requestId} FROM head
      RETURNING revision
    )
    SELECT revision, pg_notify(${channels.configChange}, revision::text)::text FROM change`
  if (change === undefined) throw new Error('config_head has no row: the database is not migrated')
  return change.revision
}
