import type { UsageEventDraft } from '../../usage/index.ts'
import type { Exchange } from '../exchange.ts'

/**
 * Settles the quota and hands the usage event over. `written` runs when the event is in the spool: only then may the
 * answer's last bytes go.
 */
export function record(exchange: Exchange, written: () => void): void {
  const { gateway, quota, owner, route } = exchange
  if (quota?.admitted) gateway.limits.settle(quota, exchange.units)
  const latencyMs = Math.round(performance.now() - exchange.startedAtMs)
  gateway.counters.count(exchange.status, latencyMs)
  const event: UsageEventDraft = {
    created_at: rfc3339(exchange.receivedAtMs),
    user_id: owner?.kind === 'user' ? owner.id : null,
    group_id: owner?.kind === 'group' ? owner.id : null,
    api_key_id: exchange.keyId,
    plan_id: owner?.planId ?? null,
    route_id: route?.id ?? null,
    upstream_id: route?.upstreamId ?? null,
    method: exchange.method,
    path: exchange.path,
    status_code: exchange.status,
    latency_ms: latencyMs,
    request_bytes: exchange.requestBytes,
    response_bytes: exchange.responseBytes,
    metered_units: exchange.units,
    error_code: exchange.errorCode,
    metering_error: exchange.meteringError,
    request_id: exchange.requestId,
    config_revision: exchange.tables?.revision ?? 0,
    client_ip: gateway.recordClientIp ? exchange.clientAddress : null,
  }
  gateway.usage.record(event, written)
}

let second = NaN
let secondText = ''

/** `toISOString`, whose text is made once a second. */
function rfc3339(unixMs: number): string {
  const start = Math.floor(unixMs / 1_000) * 1_000
  if (start !== second) {
    second = start
    secondText = new Date(start).toISOString().slice(0, -4)
  }
  return `${secondText}${String(unixMs - start).padStart(3, '0')}Z`
}
