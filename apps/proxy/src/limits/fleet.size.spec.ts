import type { WorkerStatus } from '@apigate/contracts'
import { expect, test } from 'vitest'
import { FleetSize } from './fleet.size.ts'

const status = (worker: string, draining = false): WorkerStatus => ({
  ...{ v: 1, worker, epoch: 1, version: '1', configEpoch: null, revision: null, problem: null, ready: true, draining },
  ...{ inFlight: 0, rssBytes: 0, spoolEvents: 0, atMs: 0 },
})

test('counts the workers that spoke in the last five seconds and are not leaving, this one included', () => {
  const fleet = new FleetSize('a')
  expect(fleet.at(0)).toBe(1)
  for (const worker of ['a', 'b', 'c']) fleet.hear(status(worker), 0)
  expect(fleet.at(1_000)).toBe(3)
  fleet.hear(status('c', true), 1_000)
  expect(fleet.at(1_000)).toBe(2)
  fleet.hear(status('a', true), 5_000)
  expect(fleet.at(5_001)).toBe(1)
})

test('a worker that does not hear even itself keeps the number that it knew', () => {
  const fleet = new FleetSize('a')
  for (const worker of ['a', 'b', 'c']) fleet.hear(status(worker), 0)
  expect(fleet.at(100)).toBe(3)
  expect(fleet.at(60_000)).toBe(3)
  fleet.hear(status('a'), 60_001)
  expect(fleet.at(60_002)).toBe(1)
})
