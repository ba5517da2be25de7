import type { UsageBatch, UsageEvent } from '@apigate/contracts'

/** An answer as the proxy records it, before it has a number. */
export function aUsageDraft(over: Partial<Omit<UsageEvent, 'seq' | 'id'>> = {}): Omit<UsageEvent, 'seq' | 'id'> {
  return {
    created_at: '2026-11-21T23:20:00.123Z',
    user_id: 'usr_1',
    group_id: null,
    api_key_id: 'key_1',
    plan_id: 'plan_1',
    route_id: 'rte_1',
    upstream_id: 'ups_1',
    method: 'GET',
    path: '/things/1',
    status_code: 200,
    latency_ms: 12,
    request_bytes: 5,
    response_bytes: 1024,
    metered_units: 1,
    error_code: null,
    metering_error: null,
    request_id: 'r-1',
    config_revision: 7,
    client_ip: null,
    trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    ...over,
  }
}

/** Event `seq` of worker `w-1`, unless `id` says otherwise. */
export function aUsageEvent(seq: number, over: Partial<UsageEvent> = {}): UsageEvent {
  return { seq, id: `evt_w-1_${usageEpoch}_${seq}`, ...aUsageDraft(over), ...over }
}

export const usageEpoch = 1_795_000_000_000

/** A batch of worker `w-1` that carries the given events and says so. */
export function aUsageBatch(events: readonly UsageEvent[], over: Partial<UsageBatch> = {}): UsageBatch {
  const first = events[0]?.seq ?? 1
  const last = events.at(-1)?.seq ?? 1
  return { v: 1, worker: 'w-1', epoch: usageEpoch, first, last, events: JSON.stringify(events), ...over }
}
