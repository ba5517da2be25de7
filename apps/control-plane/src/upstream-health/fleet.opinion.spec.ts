import type { UnhealthyTarget, WorkerStatus } from '@apigate/contracts'
import { expect, test } from 'vitest'
import { FleetOpinion } from './fleet.opinion.ts'

const start = 1_000_000
const policy = { unhealthyAfterMs: 5_000, healthyAfterMs: 30_000 }
const dead = (upstream: string, url = 'http://a', since = '2026-11-22T10:00:00.000Z'): UnhealthyTarget => {
  return { upstream, url, reason: 'ejected', since }
}

/** A fleet whose workers say each second what they were last told to say, until they are silenced. */
function aFleet() {
  const opinion = new FleetOpinion(policy)
  const says = new Map<string, UnhealthyTarget[]>()
  let now = start
  const speak = (): void => {
    for (const [worker, unhealthyTargets] of says)
      opinion.hear({ worker, epoch: 1, unhealthyTargets } as WorkerStatus, now)
  }
  return {
    say(worker: string, ...targets: UnhealthyTarget[]): void {
      says.set(worker, targets)
      speak()
    },
    silence: (worker: string) => void says.delete(worker),
    pass(seconds: number): void {
      for (let n = 0; n < seconds; n++) {
        now += 1_000
        speak()
      }
    },
    get unhealthy(): string[] | null {
      const now_ = opinion.at(now)
      return now_ && [...now_.unhealthy.keys()]
    },
    get targets() {
      return opinion.at(now)?.unhealthy.get('ups_1')
    },
    isWell: () => opinion.at(now)?.isWell('ups_1') ?? null,
  }
}

test('one worker is enough, when it has said so for five seconds without a break', () => {
  const fleet = aFleet()
  fleet.say('a')
  fleet.say('b', dead('ups_1'))
  fleet.pass(4)
  expect(fleet.unhealthy).toEqual([])
  fleet.pass(1)
  expect(fleet.unhealthy).toEqual(['ups_1'])
})

test('a target that comes and goes is no news, and one that is back for a moment is not well', () => {
  const fleet = aFleet()
  for (let n = 0; n < 20; n++) {
    fleet.say('a', dead('ups_1'))
    fleet.pass(4)
    fleet.say('a')
    fleet.pass(1)
    expect([fleet.unhealthy, fleet.isWell()]).toEqual([[], false])
  }
  fleet.pass(28)
  expect(fleet.isWell()).toBe(false)
  fleet.pass(2)
  expect(fleet.isWell()).toBe(true)
})

test('what several workers say is added up, by target', () => {
  const fleet = aFleet()
  fleet.say('a', dead('ups_1', 'http://a', '2026-11-22T10:00:05.000Z'))
  fleet.say('b', dead('ups_1', 'http://a'), dead('ups_1', 'http://b'), dead('ups_2'))
  fleet.pass(5)
  const ofB = { reason: 'ejected', since: '2026-11-22T10:00:00.000Z' }
  expect(fleet.targets).toEqual([
    { url: 'http://a', ...ofB, workers: 2 },
    { url: 'http://b', ...ofB, workers: 1 },
  ])
  expect(fleet.unhealthy).toEqual(['ups_1', 'ups_2'])
})

test('a worker that vanishes has no say any more, and leaves the others half a minute', () => {
  const fleet = aFleet()
  fleet.say('a')
  fleet.say('b', dead('ups_1'))
  fleet.pass(10)
  fleet.silence('b')
  fleet.pass(6)
  expect([fleet.unhealthy, fleet.isWell()]).toEqual([[], false])
  fleet.pass(29)
  expect(fleet.isWell()).toBe(false)
  fleet.pass(1)
  expect(fleet.isWell()).toBe(true)
})

test('while nobody is heard nothing is known; and whoever listens again listens for long enough', () => {
  const fleet = aFleet()
  expect(fleet.unhealthy).toBeNull()
  fleet.say('a', dead('ups_1'))
  fleet.pass(10)
  fleet.silence('a')
  fleet.pass(6)
  expect(fleet.unhealthy).toBeNull()
  fleet.pass(100)
  fleet.say('a')
  expect([fleet.unhealthy, fleet.isWell()]).toEqual([[], false])
  fleet.pass(29)
  expect(fleet.isWell()).toBe(false)
  fleet.pass(1)
  expect(fleet.isWell()).toBe(true)
})

test('what the process before a restart still sends is late', () => {
  const opinion = new FleetOpinion(policy)
  const hear = (epoch: number, now: number, ...unhealthyTargets: UnhealthyTarget[]): void =>
    opinion.hear({ worker: 'a', epoch, unhealthyTargets } as WorkerStatus, now)
  hear(2, start)
  hear(1, start, dead('ups_1'))
  hear(2, start + 5_000)
  expect(opinion.at(start + 5_000)?.unhealthy.size).toBe(0)
})
