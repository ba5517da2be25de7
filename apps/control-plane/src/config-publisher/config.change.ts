import { channels } from '@apigate/contracts'
import type { ConfigItem } from '@apigate/core'
import { ApiError } from '@apigate/errors'
import { currentTraceparent, itemBytesMax } from '@apigate/platform'
import { runPrepared, type Transaction } from '../persistence/index.ts'
import { webhookEventParts, webhookEventsJson, type WebhookEvent } from '../webhook-outbox/index.ts'

/** Who caused a change. */
export interface ChangeActor {
  type: 'api_key' | 'user' | 'system'
  id: string | null
  requestId: string | null
}

/** The kinds that a rollback restores; each has versions in `config_versions`. */
export const versionedKinds = ['plan', 'upstream', 'route'] as const
export type VersionedKind = (typeof versionedKinds)[number]

function isVersioned(kind: ConfigItem['kind']): kind is VersionedKind {
  return versionedKinds.some((versioned) => versioned === kind)
}

/** What goes into the same statement as a change: a round trip to PostgreSQL costs more than what each of them does there. */
export interface WrittenBeside {
  events: readonly WebhookEvent[]
  /** Rows of `audit_events` by column, without the revision. */
  audit: readonly object[]
}

/**
 * Numbers a change and stores it, with what admins read of it later, its audit rows and the events that it raises, as one
 * statement of the caller's transaction. The row lock on `config_head` is held until the commit, which makes revisions gapless
 * and puts them in commit order; so call it last, when the writes are done. NOTIFY is sent by PostgreSQL at the commit, never
 * for a transaction that is rolled back.
 *
 * @returns the change's revision.
 * @throws ApiError 413 for an item that would not fit into a message to the workers.
 */
export async function appendConfigChange(
  tx: Transaction,
  items: ConfigItem[],
  actor: ChangeActor,
  { events, audit }: WrittenBeside = { events: [], audit: [] },
): Promise<bigint> {
  const json = JSON.stringify(items)
  // A list that is shorter has no item that is longer.
  if (json.length > itemBytesMax / bytesPerCharacterMax) items.forEach(mustFit)
  const { type, id, requestId } = actor
  const [change] = await runPrepared<{ revision: string }>(tx, appendStatement, [
    ...[webhookEventsJson(events), json, type, id, requestId, currentTraceparent()],
    ...[JSON.stringify(countByKind(items)), channels.configChange, JSON.stringify(audit)],
  ])
  if (change === undefined) throw new Error('config_head has no row: the database is not migrated')
  const revision = BigInt(change.revision)
  await keepVersions(tx, revision, items)
  return revision
}

const auditColumns =
  'id, created_at, actor_type, actor_id, action, target_type, target_id, before, after, request_id, address'

const appendStatement = {
  name: 'append-config-change',
  // Webhooks are locked before the head, as by whoever changes a webhook and then something else.
  text: `WITH ${webhookEventParts}, head AS (
      UPDATE config_head SET revision = revision + 1 WHERE (SELECT count(*) FROM wanted) >= 0 RETURNING epoch, revision
    ), change AS (
      INSERT INTO config_changes (revision, epoch, items, actor_type, actor_id, request_id, traceparent)
      SELECT revision, epoch, $2::jsonb, $3, $4, $5, $6 FROM head
      RETURNING revision
    ), history AS (
      INSERT INTO config_revisions (id, revision, actor_type, actor_id, request_id, touched)
      SELECT revision::text, revision, $3, $4, $5, $7::jsonb FROM head
    ), audit AS (
      INSERT INTO audit_events (${auditColumns}, config_revision)
      SELECT ${auditColumns}, revision
      FROM head CROSS JOIN LATERAL (
        SELECT ${auditColumns} FROM jsonb_populate_recordset(NULL::audit_events, $9::jsonb)
      ) entries
    )
    SELECT revision, pg_notify($8, revision::text)::text FROM change`,
}

/** Of UTF-8, to a character as JavaScript counts. */
const bytesPerCharacterMax = 3

function mustFit(item: ConfigItem): void {
  if (Buffer.byteLength(JSON.stringify(item)) <= itemBytesMax) return
  const id = item.op === 'put' ? item.value.id : item.id
  throw ApiError.of(
    'payload_too_large',
    `${item.kind} ${id} is larger than the ${itemBytesMax} bytes that workers take`,
  )
}

/** Keeps what a rollback brings back; keys and users are never brought back to life. */
async function keepVersions(tx: Transaction, revision: bigint, items: ConfigItem[]): Promise<void> {
  const touched = items.flatMap((item) =>
    isVersioned(item.kind) ? [{ kind: item.kind, id: item.op === 'put' ? item.value.id : item.id }] : [],
  )
  if (touched.length === 0) return
  await runPrepared(tx, keepStatement, [revision, JSON.stringify(touched)])
}

const keepStatement = {
  name: 'keep-config-versions',
  text: `INSERT INTO config_versions (kind, target_id, revision, "row")
    SELECT t.kind, t.id, $1::bigint, CASE t.kind
      WHEN 'plan' THEN (SELECT to_jsonb(p) FROM plans p WHERE p.id = t.id)
      WHEN 'upstream' THEN (SELECT to_jsonb(u) FROM upstreams u WHERE u.id = t.id)
      WHEN 'route' THEN (SELECT to_jsonb(r) FROM routes r WHERE r.id = t.id)
    END
    FROM (SELECT DISTINCT kind, id FROM jsonb_to_recordset($2::jsonb) AS x(kind text, id text)) t`,
}

function countByKind(items: ConfigItem[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { kind } of items) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}
