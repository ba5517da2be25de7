import { Injectable } from '@nestjs/common'
import { Database } from '../persistence/index.ts'
import type { UsagePeriod } from './usage.period.ts'

export type OwnerKind = 'user' | 'group'

/** Sums of one route, status class and day, each null in a row that is the sum over it. */
export interface UsageSum {
  by: 'total' | 'route' | 'status_class' | 'day'
  value: string | null
  requests: number
  metered_units: number
  request_bytes: number
  response_bytes: number
}

export interface OwnerQuota {
  plan_id: string
  quota: number
  quota_mode: string
  quota_grace_percent: number
  overage_price: number
}

export interface UsageGap {
  id: string
  worker: string
  epoch: number
  first: number
  last: number
  events: number
  reason: 'missing' | 'refused'
  seenAt: Date
}

const gapsMax = 10_000

@Injectable()
export class UsageRepository {
  constructor(private readonly database: Database) {}

  /** From the daily sums, in one pass. */
  async sums(kind: OwnerKind, id: string, { from, to }: UsagePeriod): Promise<UsageSum[]> {
    const { rows } = await this.database.pool.query<Record<keyof UsageSum, string | null>>(
      `SELECT
         CASE WHEN grouping(route_id) = 0 THEN 'route' WHEN grouping(status_class) = 0 THEN 'status_class'
           WHEN grouping(day) = 0 THEN 'day' ELSE 'total' END AS by,
         coalesce(route_id, status_class::text, day::text) AS value,
         coalesce(sum(requests), 0) AS requests, coalesce(sum(metered_units), 0) AS metered_units,
         coalesce(sum(request_bytes), 0) AS request_bytes, coalesce(sum(response_bytes), 0) AS response_bytes
       FROM usage_daily
       WHERE ${kind === 'user' ? 'user_id' : 'group_id'} = $1 AND day BETWEEN $2::date AND $3::date
       GROUP BY GROUPING SETS ((), (route_id), (status_class), (day))
       ORDER BY 1, 2`,
      [id, from, to],
    )
    return rows.map((row) => ({
      by: row.by as UsageSum['by'],
      value: row.value,
      requests: Number(row.requests),
      metered_units: Number(row.metered_units),
      request_bytes: Number(row.request_bytes),
      response_bytes: Number(row.response_bytes),
    }))
  }

  /** Null when there is no such owner. */
  async quota(kind: OwnerKind, id: string): Promise<OwnerQuota | null> {
    const { rows } = await this.database.pool.query<OwnerQuota & { quota: string }>(
      `SELECT plans.id AS plan_id, requests_per_month AS quota, quota_mode, quota_grace_percent, overage_price
       FROM ${kind === 'user' ? 'users' : 'groups'} AS owners JOIN plans ON plans.id = owners.plan_id
       WHERE owners.id = $1`,
      [id],
    )
    return rows[0] ? { ...rows[0], quota: Number(rows[0].quota) } : null
  }

  /** Runs of numbers that are not in the ledger although later ones of their worker's epoch are; and what was set aside. */
  async gaps(): Promise<UsageGap[]> {
    const { rows } = await this.database.pool.query<{
      worker: string
      epoch: string
      first: string
      last: string
      reason: UsageGap['reason']
      seen_at: Date
    }>(
      `SELECT worker, epoch, lower(gap) AS first, upper(gap) - 1 AS last, 'missing' AS reason, updated_at AS seen_at
       FROM usage_marks, unnest(int8multirange(int8range(1, upper(seen))) - seen) AS gap
       UNION ALL
       SELECT worker, epoch, seq, seq, 'refused', created_at FROM usage_refused
       ORDER BY seen_at DESC, worker, first LIMIT ${gapsMax}`,
    )
    return rows.map(({ seen_at, ...row }) => {
      const [epoch, first, last] = [Number(row.epoch), Number(row.first), Number(row.last)]
      const id = `gap_${row.worker}_${epoch}_${first}`
      return {
        id,
        worker: row.worker,
        epoch,
        first,
        last,
        events: last - first + 1,
        reason: row.reason,
        seenAt: seen_at,
      }
    })
  }
}
