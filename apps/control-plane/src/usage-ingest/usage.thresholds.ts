import type { Database } from '../persistence/index.ts'
import { appendWebhookEvents, type WebhookEvent } from '../webhook-outbox/index.ts'

interface ReachedRow {
  owner_id: string
  period: string
  metered_units: string
  quota: string
  threshold_sent: number
  threshold_raised: number
}

const thresholds = [80, 95, 100]

/**
 * Tells webhooks of the thresholds that owners have reached and nobody was told of: each once a period. The ledger notes
 * in the transaction of the events that a threshold was reached; this tells it and notes that it was told, in one more.
 * Whoever dies between the two leaves the note for the next call.
 */
export async function raiseThresholds({ pool }: Database): Promise<void> {
  const client = await pool.connect()
  let isBroken = true
  try {
    await client.query('BEGIN')
    const { rows } = await client.query<ReachedRow>(
      `SELECT owner_id, to_char(period, 'YYYY-MM') AS period, metered_units, quota, threshold_sent, threshold_raised
       FROM usage_periods WHERE threshold_sent > threshold_raised
       ORDER BY usage_periods.owner_id, usage_periods.period LIMIT 1000 FOR UPDATE SKIP LOCKED`,
    )
    await appendWebhookEvents(client, rows.flatMap(eventsOf))
    await client.query(
      `UPDATE usage_periods SET threshold_raised = reached.threshold
       FROM unnest($1::text[], $2::text[], $3::int[]) AS reached(owner_id, period, threshold)
       WHERE usage_periods.owner_id = reached.owner_id AND usage_periods.period = (reached.period || '-01')::date`,
      [rows.map((row) => row.owner_id), rows.map((row) => row.period), rows.map((row) => row.threshold_sent)],
    )
    await client.query('COMMIT')
    isBroken = false
  } finally {
    // A connection with an open transaction is not given back.
    client.release(isBroken)
  }
}

function eventsOf(row: ReachedRow): WebhookEvent[] {
  return thresholds
    .filter((percent) => percent > row.threshold_raised && percent <= row.threshold_sent)
    .map((percent) => ({
      id: `whe_${row.owner_id}_${row.period}_${percent}`,
      type: percent === 100 ? ('usage.limit' as const) : ('usage.threshold' as const),
      at: new Date(),
      data: {
        type: row.owner_id.startsWith('grp_') ? 'groups' : 'users',
        id: row.owner_id,
        period: row.period,
        threshold: percent,
        metered_units: Number(row.metered_units),
        quota: Number(row.quota),
      },
      webhookId: null,
    }))
}
