import type { UsageBatchV1 } from '@apigate/contracts'
import { RefusedBatchError } from '@apigate/platform'
import { aUsageEvent, usageEpoch, usageEventsIn } from '@apigate/testing'
import { expect, test } from 'vitest'
import { rowsOfV1 } from './usage.batch.v1.ts'

const aBatch = (events: unknown, over: Partial<UsageBatchV1> = {}): UsageBatchV1 => ({
  ...{ v: 1, worker: 'w-1', epoch: usageEpoch, first: 2, last: 3, events: JSON.stringify(events) },
  ...over,
})

test('what a worker of an older version has sent holds the same events as rows', () => {
  const events = [aUsageEvent(2), aUsageEvent(3, { path: '/ü "(x),\\', error_code: '', group_id: 'grp_1' })]
  const batch = rowsOfV1(aBatch(events))
  expect(batch).toMatchObject({ v: 2, worker: 'w-1', epoch: usageEpoch, first: 2, last: 3 })
  expect(usageEventsIn(batch)).toEqual(events)
})

test.each([
  ['an event is missing', aBatch([aUsageEvent(2)])],
  ['an event has another number', aBatch([aUsageEvent(2), aUsageEvent(4)])],
  [
    'an event has the id of another worker',
    aBatch([aUsageEvent(2), aUsageEvent(3, { id: `evt_w-2_${usageEpoch}_3` })]),
  ],
  ['it is no list', aBatch({})],
  ['it is no list of objects', aBatch([null, 1])],
  ['it is no JSON', aBatch([], { events: '[{' })],
])('it is refused when %s', (_, batch) => {
  expect(() => rowsOfV1(batch)).toThrow(RefusedBatchError)
})
