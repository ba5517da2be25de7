import { Injectable } from '@nestjs/common'
import { Database } from '../persistence/index.ts'
import type { Verdict } from './delivery.verdict.ts'
import type { Answer } from './webhook.sender.ts'

export interface Lease {
  id: string
  lease: number
}

/** Deliveries of one webhook that one process attempts, in this order. */
export interface LeasedSlice {
  webhookId: string
  /** Requests at once. */
  atOnce: number
  deliveries: Lease[]
}

export interface SliceBounds {
  /** Requests to one webhook at once, of all processes. */
  perWebhookMax: number
  /** Deliveries of a slice. */
  sliceMax: number
  /** Webhooks that are failing and have a slice, of all processes. */
  failingAtOnceMax: number
}

/** A delivery to attempt, with what is sent where. */
export interface Attempt extends Lease {
  /** Before this one. */
  attempts: number
  leasedUntil: Date
  webhookId: string
  url: string
  secretSealed: string
  previousSecretSealed: string | null
  previousSecretUntil: Date | null
  eventId: string
  type: string
  createdAt: Date
  payload: unknown
}

/** What an attempt came to. */
export interface AttemptResult {
  attempt: Attempt
  answer: Answer
  verdict: Verdict
}

/** Any number, the same in every version: names this work among the advisory locks of the database. */
const dispatchLockKey = 4_701_203

@Injectable()
export class WebhookDeliveriesRepository {
  constructor(private readonly database: Database) {}

  /**
   * Leases what is due, oldest first: a slice for each webhook that has room for more requests beside those under way, and of one
   * that is failing a single delivery. One process at a time does it, so that two do not fill the same room.
   */
  async leaseDue(now: Date, until: Date, bounds: SliceBounds): Promise<LeasedSlice[]> {
    const values = [now, until, bounds.perWebhookMax, bounds.sliceMax, bounds.failingAtOnceMax]
    const client = await this.database.pool.connect()
    let isBroken = true
    try {
      await client.query(`BEGIN; SELECT pg_advisory_xact_lock(${dispatchLockKey})`)
      const { rows } = await client.query<LeasedSlice>(leaseStatement, values)
      await client.query('COMMIT')
      isBroken = false
      return rows
    } finally {
      // A connection with an open transaction is not given back.
      client.release(isBroken)
    }
  }

  /** Gives leases back that nobody works on. */
  async release(leases: readonly Lease[]): Promise<void> {
    if (leases.length === 0) return
    await this.database.pool.query(
      `UPDATE webhook_deliveries SET leased_until = NULL
       FROM unnest($1::text[], $2::integer[]) AS given (id, lease)
       WHERE webhook_deliveries.id = given.id AND webhook_deliveries.lease = given.lease`,
      [leases.map(({ id }) => id), leases.map(({ lease }) => lease)],
    )
  }

  /** What of a slice is still to be sent, as things are now: the webhook may be another, or disabled, by then. */
  async read(leases: readonly Lease[], now: Date): Promise<Attempt[]> {
    const { rows } = await this.database.pool.query<Attempt>(
      `SELECT delivery.id, delivery.lease, delivery.attempts, delivery.leased_until AS "leasedUntil",
         webhook.id AS "webhookId", webhook.url, webhook.secret_sealed AS "secretSealed",
         webhook.previous_secret_sealed AS "previousSecretSealed", webhook.previous_secret_until AS "previousSecretUntil",
         event.id AS "eventId", event.type, event.created_at AS "createdAt", event.payload
       FROM unnest($1::text[], $2::integer[]) WITH ORDINALITY AS given (id, lease, place)
         JOIN webhook_deliveries AS delivery ON delivery.id = given.id AND delivery.lease = given.lease
         JOIN webhooks AS webhook ON webhook.id = delivery.webhook_id
         JOIN webhook_events AS event ON event.id = delivery.event_id
       WHERE delivery.status = 'pending' AND delivery.leased_until > $3
       ORDER BY given.place`,
      [leases.map(({ id }) => id), leases.map(({ lease }) => lease), now],
    )
    return rows
  }

  /**
   * Notes what attempts came to, in the order in which they ended. Of a delivery that was given up meanwhile only a success is
   * noted; of one that another process has leased since, nothing.
   *
   * @returns of the webhooks whose last attempt here failed, since when they have been failing.
   */
  async finish(results: readonly AttemptResult[], now: Date): Promise<{ webhookId: string; failingSince: Date }[]> {
    const turns = new Map<string, { isFailing: boolean; hasSucceeded: boolean }>()
    for (const { attempt, verdict } of results) {
      const isFailing = verdict.status !== 'delivered'
      const hasSucceeded = !isFailing || turns.get(attempt.webhookId)?.hasSucceeded === true
      turns.set(attempt.webhookId, { isFailing, hasSucceeded })
    }
    const column = <T>(of: (result: AttemptResult) => T): T[] => results.map(of)
    const { rows } = await this.database.pool.query<{ webhookId: string; failingSince: Date }>(finishStatement, [
      now,
      [...turns.keys()],
      [...turns.values()].map(({ isFailing }) => isFailing),
      [...turns.values()].map(({ hasSucceeded }) => hasSucceeded),
      column(({ attempt }) => attempt.id),
      column(({ attempt }) => attempt.lease),
      column(({ verdict }) => verdict.status),
      column(({ answer }) => answer.statusCode),
      column(({ answer }) => answer.latencyMs),
      column(({ answer }) => answer.response),
      column(({ answer }) => answer.error),
      column(({ verdict }) => (verdict.status === 'pending' ? new Date(verdict.nextAttemptAtMs) : null)),
    ])
    return rows
  }
}

const leaseStatement = `
WITH free AS MATERIALIZED (
  SELECT webhooks.id, failing_since IS NOT NULL AS is_failing, first.next_attempt_at,
    CASE WHEN failing_since IS NULL THEN $3::integer ELSE 1 END - held.count AS at_once
  FROM webhooks CROSS JOIN LATERAL (
    SELECT next_attempt_at FROM webhook_deliveries
    WHERE webhook_id = webhooks.id AND status = 'pending' AND next_attempt_at <= $1
      AND (leased_until IS NULL OR leased_until <= $1)
    ORDER BY next_attempt_at, id LIMIT 1
  ) AS first CROSS JOIN LATERAL (
    SELECT count(*)::integer AS count FROM (
      SELECT FROM webhook_deliveries
      WHERE webhook_id = webhooks.id AND leased_until IS NOT NULL AND leased_until > $1 LIMIT $3
    ) AS leased
  ) AS held
), chosen AS (
  SELECT id, at_once, $4::integer AS room FROM free WHERE NOT is_failing AND at_once > 0
  UNION ALL
  (SELECT id, 1, 1 FROM free WHERE is_failing AND at_once > 0
   ORDER BY next_attempt_at, id LIMIT greatest(0, $5::integer - (
     SELECT count(*) FROM webhooks WHERE failing_since IS NOT NULL AND EXISTS (
       SELECT FROM webhook_deliveries
       WHERE webhook_id = webhooks.id AND leased_until IS NOT NULL AND leased_until > $1))))
), due AS MATERIALIZED (
  SELECT next.id, chosen.at_once FROM chosen CROSS JOIN LATERAL (
    SELECT id FROM webhook_deliveries
    WHERE webhook_id = chosen.id AND status = 'pending' AND next_attempt_at <= $1
      AND (leased_until IS NULL OR leased_until <= $1)
    ORDER BY next_attempt_at, id LIMIT chosen.room FOR UPDATE SKIP LOCKED
  ) AS next
), leased AS (
  UPDATE webhook_deliveries SET lease = lease + 1, leased_until = $2
  FROM due WHERE webhook_deliveries.id = due.id
  RETURNING webhook_deliveries.id, webhook_id, at_once, lease, next_attempt_at
)
SELECT webhook_id AS "webhookId", at_once AS "atOnce",
  json_agg(json_build_object('id', id, 'lease', lease) ORDER BY next_attempt_at, id) AS deliveries
FROM leased GROUP BY webhook_id, at_once`

/** The webhooks first, as whoever disables one does (a count needs all of them); and no write where nothing changes. */
const finishStatement = `
WITH turn AS MATERIALIZED (
  SELECT * FROM unnest($2::text[], $3::boolean[], $4::boolean[]) AS turn (webhook_id, is_failing, has_succeeded)
), changing AS MATERIALIZED (
  SELECT webhooks.id, is_failing FROM webhooks JOIN turn ON turn.webhook_id = webhooks.id
  WHERE (failing_since IS NOT NULL) <> is_failing OR (is_failing AND has_succeeded)
  ORDER BY webhooks.id FOR NO KEY UPDATE OF webhooks
), turned AS (
  UPDATE webhooks SET failing_since = CASE WHEN is_failing THEN $1::timestamptz END
  FROM changing WHERE webhooks.id = changing.id
  RETURNING webhooks.id, failing_since
), first AS MATERIALIZED (
  SELECT count(*) AS count FROM turned
), noted AS (
  UPDATE webhook_deliveries SET
    status = result.status, attempts = attempts + 1, leased_until = NULL, updated_at = $1,
    last_status_code = result.status_code, last_latency_ms = result.latency_ms,
    last_response = result.response, last_error = result.error, next_attempt_at = result.next_attempt_at,
    delivered_at = CASE WHEN result.status = 'delivered' THEN $1 ELSE delivered_at END
  FROM first, unnest(
    $5::text[], $6::integer[], $7::delivery_status[], $8::integer[], $9::integer[], $10::text[], $11::text[],
    $12::timestamptz[]
  ) AS result (id, lease, status, status_code, latency_ms, response, error, next_attempt_at)
  WHERE webhook_deliveries.id = result.id AND webhook_deliveries.lease = result.lease AND first.count >= 0
    AND (result.status = 'delivered' OR webhook_deliveries.status = 'pending')
)
SELECT webhooks.id AS "webhookId", coalesce(turned.failing_since, webhooks.failing_since) AS "failingSince"
FROM webhooks JOIN turn ON turn.webhook_id = webhooks.id LEFT JOIN turned ON turned.id = webhooks.id
WHERE is_failing AND coalesce(turned.failing_since, webhooks.failing_since) IS NOT NULL`
