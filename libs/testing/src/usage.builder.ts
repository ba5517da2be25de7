import { usageRow, usageRowColumns, type UsageBatch, type UsageEvent } from '@apigate/contracts'

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
  const rows = events.map((event) => usageRow(event.seq, event)).join('\n')
  return { v: 2, worker: 'w-1', epoch: usageEpoch, first, last, rows, ...over }
}

const numbers = new Set<string>([
  'seq',
  'status_code',
  'latency_ms',
  'request_bytes',
  'response_bytes',
  'metered_units',
  'config_revision',
])

/** The events of a batch, as they were before `usageRow`; each with the id that the ledger gives it. */
export function usageEventsIn({ worker, epoch, rows }: Pick<UsageBatch, 'worker' | 'epoch' | 'rows'>): UsageEvent[] {
  return rows.split('\n').map((row) => {
    const event: Record<string, unknown> = {}
    for (const [n, text] of fieldsOf(row).entries()) {
      const column = usageRowColumns[n]!
      event[column] = numbers.has(column) ? Number(text) : text
    }
    return { ...event, id: `evt_${worker}_${epoch}_${String(event['seq'])}` } as unknown as UsageEvent
  })
}

/** The fields of a composite value of PostgreSQL: null where there is nothing, not even quotes. */
function fieldsOf(row: string): (string | null)[] {
  return [...row.slice(1).matchAll(/(?:"((?:[^"\\]|\\.)*)"|([^",()]*))[,)]/gsu)].map(([, quoted, plain]) =>
    quoted === undefined ? plain || null : quoted.replaceAll(/\\(.)/gsu, '$1'),
  )
}
