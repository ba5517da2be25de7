import { usageBounds, type UsageEvent } from '@apigate/contracts'
import { aUsageDraft, usageEventsIn } from '@apigate/testing'
import { describe, expect, test } from 'vitest'
import { eventRow, type UsageEventDraft } from './usage.recorder.ts'

const draft = aUsageDraft({ client_ip: '2001:db8::1' })
const parsed = (over: Partial<UsageEventDraft>): UsageEvent =>
  usageEventsIn({ worker: 'w-1', epoch: 5, rows: eventRow(3, { ...draft, ...over }) })[0]!

test('an event gets its number, and stays as it is', () => {
  expect(parsed({})).toEqual({ ...draft, seq: 3, id: 'evt_w-1_5_3' })
})

test('text that PostgreSQL or a line cannot hold is replaced, the rest is kept as it is', () => {
  const path = '/ü/"/\\u0000/\\\\/,(a b)/😀/'
  expect(parsed({ path })['path']).toBe(path)
  expect(parsed({ path: '/a\u0000b\ud800c\udfffd\n' })['path']).toBe('/a\ufffdb\ufffdc\ufffdd\ufffd')
})

describe('a number beyond what the ledger takes is clamped and marked, so that it cannot hold up its batch', () => {
  test.each([
    ['metered_units', Number.NaN, 0],
    ['metered_units', -1, 0],
    ['metered_units', 1.5, 1],
    ['metered_units', 1e300, usageBounds.meteredUnitsMax],
    ['response_bytes', Number.POSITIVE_INFINITY, usageBounds.bytesMax],
    ['request_bytes', -0.5, 0],
    ['latency_ms', 1e10, usageBounds.latencyMsMax],
    ['status_code', 0, 100],
    ['status_code', 999, 599],
  ] as const)('%s %d', (field, value, kept) => {
    const event = parsed({ [field]: value })
    expect(event[field]).toBe(kept)
    expect(event['metering_error']).toBe('out_of_bounds')
  })

  test('what the metering says of itself is not overwritten', () => {
    expect(parsed({ metered_units: -1, metering_error: 'expression' })['metering_error']).toBe('expression')
  })
})
