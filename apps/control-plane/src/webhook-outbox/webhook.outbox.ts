import { runPrepared, type Transaction } from '../persistence/index.ts'
import type { WebhookEvent } from './webhook.event.ts'

/** A transaction of Prisma, or of a client of pg. */
export type EventTransaction =
  | Transaction
  | { query(statement: { name: string; text: string; values: unknown[] }): Promise<unknown> }

/**
 * Writes events, and a delivery for each enabled webhook that wants them, as one statement of the caller's transaction: they
 * are there if and only if what caused them is. An event that nobody wants leaves no row, and one whose id is there already
 * changes nothing.
 *
 * A webhook gets the events whose statement began after it was created, enabled or changed by a committed write; so whoever
 * has the answer to that write gets all that they cause from then on. The lock keeps a webhook from being disabled or
 * deleted between this statement and the commit: who does that waits, and then sees these deliveries.
 */
export async function appendWebhookEvents(tx: EventTransaction, events: readonly WebhookEvent[]): Promise<void> {
  if (events.length === 0) return
  const values = [webhookEventsJson(events)]
  await ('query' in tx ? tx.query({ ...appendStatement, values }) : runPrepared(tx, appendStatement, values))
}

/** Events as `webhookEventParts` takes them. */
export function webhookEventsJson(events: readonly WebhookEvent[]): string {
  return JSON.stringify(
    events.map(({ id, type, at, data, webhookId }) => ({
      ...{ id, type, created_at: at, payload: data, webhook_id: webhookId },
    })),
  )
}

/**
 * What it does as parts of a WITH, for a statement that does more; its first parameter is the events. What is to follow the locks
 * on webhooks reads `wanted`.
 */
export const webhookEventParts = `raised AS MATERIALIZED (
  SELECT * FROM json_to_recordset($1::json) AS
    (id text, type text, created_at timestamptz(3), payload jsonb, webhook_id text)
), wanted AS MATERIALIZED (
  SELECT raised.id AS event_id, webhooks.id AS webhook_id
  FROM raised JOIN webhooks ON CASE
    WHEN raised.webhook_id IS NULL THEN webhooks.enabled AND webhooks.events && ARRAY['*', raised.type]
    ELSE webhooks.id = raised.webhook_id
  END
  FOR KEY SHARE OF webhooks
), event AS (
  INSERT INTO webhook_events (id, type, payload, created_at)
  SELECT id, type, payload, created_at FROM raised WHERE id IN (SELECT event_id FROM wanted)
  ORDER BY id
  ON CONFLICT (id) DO NOTHING
  RETURNING id, type, created_at
), delivery AS (
  INSERT INTO webhook_deliveries (id, webhook_id, event_id, event_type, next_attempt_at, created_at, updated_at)
  SELECT
    -- Unique as the event's id is, and in its order; an id that names an owner may be too long for another id.
    'whd_' || CASE WHEN length(event.id) > 100 THEN md5(event.id) ELSE regexp_replace(event.id, '^whe_', '') END || '_' || row_number() OVER (PARTITION BY event.id ORDER BY webhook_id),
    webhook_id, event.id, event.type, event.created_at, event.created_at, event.created_at
  FROM event JOIN wanted ON wanted.event_id = event.id
)`

const appendStatement = { name: 'append-webhook-events', text: `WITH ${webhookEventParts} SELECT` }
