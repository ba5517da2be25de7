import type { UsageEventDraft } from '../../usage/index.ts'
import type { Exchange } from '../exchange.ts'
import { meter } from './meter.ts'

/**
 * Settles the quota and hands the usage event over. `written` runs when the event is in the spool: only then may the
 * answer's last bytes go.
 */
export function record(exchange: Exchange, written: () => void): void {
  const { gateway, quota, recorded } = exchange
  const units = exchange.units - (recorded?.units ?? 0)
  if (quota?.admitted) gateway.limits.settle(quota, units)
  else if (recorded !== null && units > 0) charge(exchange, units, recorded.untilMs)
  const latencyMs = performance.now() - exchange.startedAtMs
  gateway.counters.count(exchange.route?.id, exchange.status, latencyMs, exchange.errorCode)
  if (exchange.trace !== null) gateway.tracer!.end(exchange.trace, exchange, latencyMs)
  if (gateway.accessLog !== null) gateway.accessLog.write(exchange, latencyMs)
  gateway.usage.record(usageEvent(exchange), written)
}

/**
 * Records what an exchange that goes on has used since it was recorded last. Its events together say what one would: each has
 * its own time, and the units, bytes and milliseconds that came after the one before.
 */
export function recordSoFar(exchange: Exchange): void {
  const { gateway, quota, recorded } = exchange
  meter(exchange)
  // What an expression takes back was recorded: it cannot become less.
  exchange.units = Math.max(exchange.units, recorded?.units ?? 0)
  const units = exchange.units - (recorded?.units ?? 0)
  if (quota?.admitted) gateway.limits.settle(quota, units)
  else if (recorded !== null && units > 0) charge(exchange, units, recorded.untilMs)
  // It is settled once; what comes now is reserved anew.
  exchange.quota = null
  gateway.usage.record(usageEvent(exchange), () => {})
  exchange.recorded = {
    units: exchange.units,
    requestBytes: exchange.requestBytes,
    responseBytes: exchange.responseBytes,
    untilMs: Date.now(),
    untilMonotonicMs: performance.now(),
  }
}

/**
 * Counts units against the month of their event, behind the first reservation. Over the quota they are in the ledger all the same.
 */
function charge(exchange: Exchange, units: number, receivedAtMs: number): void {
  if (exchange.owner === null || exchange.plan === null) return
  const { limits, log } = exchange.gateway
  const { owner, plan, keyId } = exchange
  void Promise.resolve(limits.reserve({ owner, plan, keyId, receivedAtMs })).then(
    (reservation) => reservation.admitted && limits.settle(reservation, units),
    (error: unknown) => log.error({ err: error, ...exchange.logFields }, 'units of a WebSocket cannot be counted'),
  )
}

function usageEvent(exchange: Exchange): UsageEventDraft {
  const { gateway, owner, route, recorded } = exchange
  return {
    created_at: rfc3339(recorded?.untilMs ?? exchange.receivedAtMs),
    user_id: owner?.kind === 'user' ? owner.id : null,
    group_id: owner?.kind === 'group' ? owner.id : null,
    api_key_id: exchange.keyId,
    plan_id: owner?.planId ?? null,
    route_id: route?.id ?? null,
    upstream_id: route?.upstreamId ?? null,
    method: exchange.method,
    path: exchange.path,
    status_code: exchange.status,
    latency_ms: Math.round(performance.now() - (recorded?.untilMonotonicMs ?? exchange.startedAtMs)),
    request_bytes: exchange.requestBytes - (recorded?.requestBytes ?? 0),
    response_bytes: exchange.responseBytes - (recorded?.responseBytes ?? 0),
    metered_units: Math.max(0, exchange.units - (recorded?.units ?? 0)),
    error_code: exchange.errorCode,
    metering_error: exchange.meteringError,
    request_id: exchange.requestId,
    config_revision: exchange.tables?.revision ?? 0,
    client_ip: gateway.recordClientIp ? exchange.clientAddress : null,
    trace_id: exchange.traceId ?? undefined,
  }
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
