import { Injectable } from '@nestjs/common'
import { Database } from '../persistence/index.ts'
import type { Answer } from './webhook.sender.ts'
import type { Verdict } from './delivery.verdict.ts'

export interface Lease {
  id: string
  lease: number
}

/** A delivery to attempt, with what is sent where. */
export interface Attempt extends Lease {
  /** Before this one. */
  attempts: number
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

/** Any number, the same in every version: names this work among the advisory locks of the database. */
const dispatchLockKey = 4_701_203

@Injectable()
export class WebhookDeliveriesRepository {
  constructor(private readonly database: Database) {}

  /**
   * Leases what is due, oldest first: of each webhook as many as may be under way at once, and of one that is failing a single
   * one. One process at a time does it, so that two do not fill the same room.
   */
  async leaseDue(now: Date, until: Date, perWebhook: number): Promise<Lease[]> {
    return this.database.prisma.$transaction(async (tx) => {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(${dispatchLockKey}::bigint)`
      return tx.$queryRaw<Lease[]>`
        WITH room AS MATERIALIZED (
          SELECT id, CASE WHEN failing_since IS NULL THEN ${perWebhook}::integer ELSE 1 END - (
            SELECT count(*) FROM webhook_deliveries WHERE webhook_id = webhooks.id AND leased_until > ${now}
          ) AS free
          FROM webhooks
        ), due AS (
          SELECT next.id FROM room CROSS JOIN LATERAL (
            SELECT id FROM webhook_deliveries
            WHERE webhook_id = room.id AND status = 'pending' AND next_attempt_at <= ${now}
              AND (leased_until IS NULL OR leased_until <= ${now})
            ORDER BY next_attempt_at, id LIMIT greatest(room.free, 0) FOR UPDATE SKIP LOCKED
          ) AS next
        )
        UPDATE webhook_deliveries SET lease = lease + 1, leased_until = ${until}
        FROM due WHERE webhook_deliveries.id = due.id
        RETURNING webhook_deliveries.id, lease`
    })
  }

  /** Gives leases back that nobody works on. */
  async release(leases: readonly Lease[]): Promise<void> {
    const [ids, numbers] = [leases.map(({ id }) => id), leases.map(({ lease }) => lease)]
    await this.database.prisma.$executeRaw`
      UPDATE webhook_deliveries SET leased_until = NULL
      FROM unnest(${ids}::text[], ${numbers}::integer[]) AS given (id, lease)
      WHERE webhook_deliveries.id = given.id AND webhook_deliveries.lease = given.lease`
  }

  /** Begins an attempt: null when the lease is not the newest, or nothing is to be sent any more. */
  async begin({ id, lease }: Lease, until: Date): Promise<Attempt | null> {
    const [attempt] = await this.database.prisma.$queryRaw<Attempt[]>`
      UPDATE webhook_deliveries AS delivery SET leased_until = ${until}
      FROM webhooks AS webhook, webhook_events AS event
      WHERE delivery.id = ${id} AND delivery.lease = ${lease} AND delivery.status = 'pending'
        AND webhook.id = delivery.webhook_id AND event.id = delivery.event_id
      RETURNING delivery.id, delivery.lease, delivery.attempts, webhook.id AS "webhookId", webhook.url,
        webhook.secret_sealed AS "secretSealed", webhook.previous_secret_sealed AS "previousSecretSealed",
        webhook.previous_secret_until AS "previousSecretUntil", event.id AS "eventId", event.type,
        event.created_at AS "createdAt", event.payload`
    return attempt ?? null
  }

  /**
   * Notes what an attempt came to. Of a delivery that was given up meanwhile only a success is noted.
   *
   * @returns since when the webhook has been failing; null when it is not.
   */
  async finish({ id, lease, webhookId }: Attempt, answer: Answer, verdict: Verdict, now: Date): Promise<Date | null> {
    const { status } = verdict
    const delivered = status === 'delivered'
    const failingSince = delivered ? null : now
    const nextAttemptAt = status === 'pending' ? new Date(verdict.nextAttemptAtMs) : null
    // The webhook first, as whoever disables it does (a count needs all of it); and no write where nothing changes.
    const [webhook] = await this.database.prisma.$queryRaw<{ failingSince: Date | null }[]>`
      WITH turned AS (
        UPDATE webhooks SET failing_since = ${failingSince}::timestamptz
        WHERE id = ${webhookId} AND (failing_since IS NULL) <> ${delivered}
        RETURNING failing_since
      ), first AS MATERIALIZED (
        SELECT count(*) AS count FROM turned
      ), noted AS (
        UPDATE webhook_deliveries SET
          status = ${status}::delivery_status, attempts = attempts + 1, leased_until = NULL, updated_at = ${now},
          last_status_code = ${answer.statusCode}::integer, last_latency_ms = ${answer.latencyMs}::integer,
          last_response = ${answer.response}, last_error = ${answer.error},
          next_attempt_at = ${nextAttemptAt}::timestamptz,
          delivered_at = CASE WHEN ${delivered} THEN ${now}::timestamptz ELSE delivered_at END
        FROM first
        WHERE id = ${id} AND lease = ${lease} AND (${delivered} OR status = 'pending') AND first.count >= 0
      )
      SELECT coalesce((SELECT failing_since FROM turned), failing_since) AS "failingSince"
      FROM webhooks WHERE id = ${webhookId}`
    return delivered ? null : (webhook?.failingSince ?? null)
  }
}
