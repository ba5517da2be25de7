import { Injectable } from '@nestjs/common'
import { Database } from '../persistence/index.ts'

/** What waits in the database, and what is missing there. */
export interface Backlog {
  headRevision: number
  /** Numbers of usage events that are not in the ledger although later ones of their worker are. */
  missingEvents: number
  /** Usage events that no ledger can hold. */
  refusedEvents: number
  /** Deliveries that will be attempted, counted up to `countMax`. */
  pendingDeliveries: number
  /** Of webhooks that are not failing: for how long the oldest delivery that is due has been so. */
  overdueSeconds: number
  failingWebhooks: number
}

const countMax = 100_000

@Injectable()
export class BacklogRepository {
  constructor(private readonly database: Database) {}

  /** Throws when the database does not answer. */
  async read(): Promise<Backlog> {
    const { rows } = await this.database.pool.query<Record<keyof Backlog, string>>(
      `SELECT
         (SELECT revision FROM config_head) AS "headRevision",
         (SELECT coalesce(sum(upper(gap) - lower(gap)), 0)
          FROM usage_marks, unnest(int8multirange(int8range(1, upper(seen))) - seen) AS gap) AS "missingEvents",
         (SELECT count(*) FROM (SELECT FROM usage_refused LIMIT ${countMax}) AS refused) AS "refusedEvents",
         (SELECT count(*) FROM (SELECT FROM webhook_deliveries WHERE status = 'pending' LIMIT ${countMax}) AS pending)
           AS "pendingDeliveries",
         (SELECT coalesce(greatest(extract(epoch FROM now() - min(next_attempt_at)), 0), 0)
          FROM webhooks CROSS JOIN LATERAL (
            SELECT next_attempt_at FROM webhook_deliveries
            WHERE webhook_id = webhooks.id AND status = 'pending' ORDER BY next_attempt_at LIMIT 1
          ) AS first
          WHERE failing_since IS NULL) AS "overdueSeconds",
         (SELECT count(*) FROM webhooks WHERE failing_since IS NOT NULL) AS "failingWebhooks"`,
    )
    const numbers = Object.entries(rows[0]!).map(([name, value]) => [name, Number(value)])
    return Object.fromEntries(numbers) as Backlog
  }
}
