import type { WorkerStatus } from '@apigate/contracts'
import { describe, expect, test } from 'vitest'
import { acquaintedMs, Fleet, silentMs } from './fleet.ts'

const head = { epoch: 'history', revision: 10 }
const now = 1_800_000_000_000

function status(worker: string, changes: Partial<WorkerStatus> = {}): WorkerStatus {
  return {
    ...{ v: 1, worker, epoch: 1, version: '1', configEpoch: 'history', revision: 10, problem: null, ready: true },
    ...{ draining: false, inFlight: 0, rssBytes: 0, spoolEvents: 0, atMs: 0 },
    ...changes,
  }
}

test('a worker that is silent for five seconds is gone, and back when it speaks again', () => {
  const fleet = new Fleet(now)
  fleet.hear(status('a'), now)
  fleet.hear(status('b'), now + 1)
  expect(fleet.workers(head, now + silentMs).map(({ id }) => id)).toEqual(['a', 'b'])
  expect(fleet.workers(head, now + silentMs + 1).map(({ id }) => id)).toEqual(['b'])
  fleet.hear(status('a'), now + silentMs + 2)
  expect(fleet.workers(head, now + silentMs + 2).map(({ id }) => id)).toEqual(['a'])
})

test('lag counts revisions of the same history only', () => {
  const fleet = new Fleet(now)
  fleet.hear(status('behind', { revision: 7 }), now)
  fleet.hear(status('ahead', { revision: 11 }), now)
  fleet.hear(status('empty', { revision: null, configEpoch: null }), now)
  fleet.hear(status('other', { configEpoch: 'restored' }), now)
  expect(fleet.workers(head, now).map(({ id, lag }) => [id, lag])).toEqual([
    ['ahead', 0],
    ['behind', 3],
    ['empty', null],
    ['other', null],
  ])
})

test('a late message of the process before a restart changes nothing', () => {
  const fleet = new Fleet(now)
  fleet.hear(status('a', { epoch: 2, revision: 10 }), now)
  fleet.hear(status('a', { epoch: 1, revision: 3 }), now + 1)
  expect(fleet.workers(head, now)).toMatchObject([{ id: 'a', revision: 10, startedAt: new Date(2) }])
})

describe('who has not applied a revision', () => {
  const at = { epoch: 'history', revision: 10 }

  test('is every live worker with an older one, none, or one of another history', () => {
    const fleet = new Fleet(now - acquaintedMs)
    fleet.hear(status('on it'), now)
    fleet.hear(status('beyond', { revision: 11 }), now)
    expect(fleet.behind(at, now)).toEqual([])
    fleet.hear(status('old', { revision: 9 }), now)
    fleet.hear(status('starting', { revision: null, configEpoch: null, ready: false }), now)
    fleet.hear(status('other', { configEpoch: 'restored', revision: 12 }), now)
    expect(fleet.behind(at, now)).toEqual(['old', 'other', 'starting'])
    fleet.hear(status('on it'), now + silentMs + 1)
    expect(fleet.behind(at, now + silentMs + 1)).toEqual([])
  })

  test('is not known while nobody was heard, or not all may have been', () => {
    const fleet = new Fleet(now)
    expect(fleet.behind(at, now + acquaintedMs)).toBeNull()
    fleet.hear(status('first'), now)
    expect(fleet.behind(at, now + acquaintedMs - 1)).toBeNull()
    expect(fleet.behind(at, now + acquaintedMs)).toEqual([])
    expect(fleet.behind(at, now + silentMs + 1)).toBeNull()
  })
})
