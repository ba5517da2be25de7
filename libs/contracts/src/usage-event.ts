/** One answer, in the ledger's own column names. `null` where there is none. Bytes are body bytes. */
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
 * What the ledger takes: an event beyond these bounds would hold up its whole batch, so the worker clamps and the ingest
 * refuses. They keep the `bigint` sums far from their end.
 */
export const usageBounds = {
  latencyMsMax: 2 ** 31 - 1,
  bytesMax: 10 ** 15,
  meteredUnitsMax: 10 ** 12,
} as const

/** The columns of a row of `usage-batch.v2`, in their order; the type `usage_row_v2` of the database has the same. */
export const usageRowColumns = [
  'seq',
  'created_at',
  'user_id',
  'group_id',
  'api_key_id',
  'plan_id',
  'route_id',
  'upstream_id',
  'method',
  'path',
  'status_code',
  'latency_ms',
  'request_bytes',
  'response_bytes',
  'metered_units',
  'error_code',
  'metering_error',
  'request_id',
  'config_revision',
  'client_ip',
  'trace_id',
] as const satisfies (keyof UsageEvent)[]

/**
 * An event as a composite value in PostgreSQL's own notation (section 8.16.2 of its manual), in one line: what costs the server
 * the least to read. Control characters and halves of surrogate pairs become U+FFFD.
 */
export function usageRow(seq: number, event: Omit<UsageEvent, 'seq' | 'id'>): string {
  return (
    `(${seq},${field(event.created_at)},${field(event.user_id)},${field(event.group_id)},${field(event.api_key_id)},` +
    `${field(event.plan_id)},${field(event.route_id)},${field(event.upstream_id)},${field(event.method)},` +
    `${field(event.path)},${event.status_code},${event.latency_ms},${event.request_bytes},${event.response_bytes},` +
    `${event.metered_units},${field(event.error_code)},${field(event.metering_error)},${field(event.request_id)},` +
    `${event.config_revision},${field(event.client_ip)},${field(event.trace_id)})`
  )
}

/** Anything that must stand in quotes, and the empty text, which would else be null. */
const notPlain = /[^!#-'*+\-.-[\]-~]|^$/
// oxlint-disable-next-line no-control-regex -- they are what is meant
const unstorable = /[\u0000-\u001f\u007f]/g

function field(value: string | null | undefined): string {
  if (value === null || value === undefined) return ''
  if (!notPlain.test(value)) return value
  return `"${value.toWellFormed().replace(unstorable, '\ufffd').replaceAll(/["\\]/g, '\\$&')}"`
}
