import { usageBounds, usageRow, type UsageEvent } from '@apigate/contracts'

/** An answer before the spool gives it its number. */
export type UsageEventDraft = Omit<UsageEvent, 'seq' | 'id'>

export interface UsageRecorder {
  /**
   * Numbers and keeps the event. `written` runs once, in the same turn of the event loop, when the event is in the spool
   * file, or when it could not be kept: it is what lets go of the answer's last bytes.
   */
  record(event: UsageEventDraft, written: () => void): void
}

/**
 * The event as it stands in the spool and in the batch. Always something the ledger takes, since one event that it
 * refuses would hold up its whole batch.
 */
export function eventRow(seq: number, draft: UsageEventDraft): string {
  return usageRow(seq, isWithinBounds(draft) ? draft : clamped(draft))
}

function isWithinBounds(event: UsageEventDraft): boolean {
  return (
    isWhole(event.status_code, 599) &&
    event.status_code >= 100 &&
    isWhole(event.latency_ms, usageBounds.latencyMsMax) &&
    isWhole(event.request_bytes, usageBounds.bytesMax) &&
    isWhole(event.response_bytes, usageBounds.bytesMax) &&
    isWhole(event.metered_units, usageBounds.meteredUnitsMax) &&
    isWhole(event.config_revision, Number.MAX_SAFE_INTEGER)
  )
}

function isWhole(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max
}

function clamped(event: UsageEventDraft): UsageEventDraft {
  return {
    ...event,
    status_code: Math.max(clamp(event.status_code, 599), 100),
    latency_ms: clamp(event.latency_ms, usageBounds.latencyMsMax),
    request_bytes: clamp(event.request_bytes, usageBounds.bytesMax),
    response_bytes: clamp(event.response_bytes, usageBounds.bytesMax),
    metered_units: clamp(event.metered_units, usageBounds.meteredUnitsMax),
    config_revision: clamp(event.config_revision, Number.MAX_SAFE_INTEGER),
    metering_error: event.metering_error ?? 'out_of_bounds',
  }
}

function clamp(value: number, max: number): number {
  return Number.isNaN(value) ? 0 : Math.trunc(Math.min(Math.max(value, 0), max))
}
