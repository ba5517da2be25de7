import { z } from 'zod'

/**
 * One answer in the ledger's own column names, so that ingest can hand a batch to PostgreSQL as it came. `null` where
 * there is none. Bytes are body bytes.
 */
export interface UsageEvent {
  /** Position in the worker's epoch, from 1, without gaps. */
  seq: number
  /** `evt_<worker>_<epoch>_<seq>` */
  id: string
  /** RFC 3339 UTC with milliseconds: when the request arrived. */
  created_at: string
  user_id: string | null
  group_id: string | null
  api_key_id: string | null
  plan_id: string | null
  route_id: string | null
  upstream_id: string | null
  method: string
  /** Normalised path, without the query. */
  path: string
  status_code: number
  latency_ms: number
  request_bytes: number
  response_bytes: number
  metered_units: number
  /** A code of the catalogue when the gateway itself answered, or when an answer broke off. */
  error_code: string | null
  metering_error: string | null
  request_id: string
  config_revision: number
  client_ip: string | null
  /** 32 hex digits (W3C Trace Context); left out where the exchange belongs to no trace. */
  trace_id?: string | undefined
}

/**
 * `usage-batch.v1`: consecutive events of one worker epoch, `first`..`last` both included. `events` is the text of a
 * JSON array of `UsageEvent`; it stays text, because ingest passes it to `json_to_recordset` unparsed.
 */
export const usageBatchSchema = z
  .object({
    v: z.literal(1),
    worker: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
    /** Unix ms of the worker's start, raised where needed so that it grows with every start. */
    epoch: z.int().positive(),
    first: z.int().positive(),
    last: z.int().positive(),
    events: z.string().min(2),
  })
  .refine((batch) => batch.last >= batch.first, 'last is before first')
export type UsageBatch = z.infer<typeof usageBatchSchema>

/**
 * What the ledger takes: an event beyond these bounds would hold up its whole batch, so the worker clamps and the ingest
 * refuses. They keep the `bigint` sums far from their end.
 */
export const usageBounds = {
  latencyMsMax: 2 ** 31 - 1,
  bytesMax: 10 ** 15,
  meteredUnitsMax: 10 ** 12,
} as const

/**
 * `usage-mark.v1`: everything of this worker epoch from `first` up to and including `seq` is committed in the ledger.
 * `first` is 1 unless something before it is missing: what a worker could not keep must not hold up what it kept.
 */
export const usageMarkSchema = z.object({
  v: z.literal(1),
  worker: z.string().min(1),
  epoch: z.int().positive(),
  first: z.int().positive(),
  seq: z.int().nonnegative(),
})
export type UsageMark = z.infer<typeof usageMarkSchema>
