import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KeyLease } from './key-lease.ts'
import { exchangeTokens, leaseMs, leaseWindowMs, newBucket, type RateAsk, type RateGrant } from './shared-bucket.ts'
import { fullLevel, takeToken } from './token-bucket.ts'

/** What one step of a history does: time passes, then a worker has a request, or a message arrives or is lost. */
type Step =
  | { do: 'request' | 'tick' | 'restart'; worker: number }
  | { do: 'burst'; worker: number; requests: number }
  | { do: 'wait'; ms: number }
  | { do: 'deliver' | 'lose' | 'reply' | 'loseReply' | 'repeat'; nth: number }

const workers = 3
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('request' as const), worker: fc.nat(workers - 1) }) },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('burst' as const), worker: fc.nat(workers - 1), requests: fc.nat(60) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('tick' as const), worker: fc.nat(workers - 1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), worker: fc.nat(workers - 1) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.oneof(fc.nat(40), fc.integer({ min: 200, max: 1_900 }), fc.nat(3 * leaseWindowMs)),
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({ do: fc.constantFrom('deliver', 'deliver', 'reply', 'reply'), nth: fc.nat(9) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('lose', 'loseReply', 'repeat'), nth: fc.nat(9) }) },
)

interface Message {
  worker: number
  lease: KeyLease
  ask: RateAsk
  askedAtMs: number
  grant?: RateGrant
}

/** Plays a history of workers over one bucket; `admit` hears of every admission at the store's time of it. */
function play(capacity: number, ratePerMinute: number, steps: readonly Step[], admit: (atMs: number) => void): void {
  const shape = { capacity, ratePerMinute }
  let nowMs = 1_700_000_000_000
  const clockOffsets = [-1_699_999_000_000, 5, -77_777]
  const clock = (worker: number): number => nowMs + clockOffsets[worker]!
  const leases = Array.from({ length: workers }, () => new KeyLease(shape))
  const bucket = newBucket(capacity, nowMs)
  const asked: Message[] = []
  const answered: Message[] = []
  const ask = (worker: number, take: number): void => {
    const lease = leases[worker]!
    asked.push({ worker, lease, ask: lease.ask(take, 0, clock(worker)), askedAtMs: clock(worker) })
  }
  const pick = (messages: Message[], nth: number): Message | undefined =>
    messages.splice(nth % (messages.length || 1), 1)[0]
  const deliver = (message: Message): void => {
    const grant = exchangeTokens(bucket, message.ask, nowMs)
    // A token for one who waits is spent here, whether its worker hears of it or not.
    for (let n = 0; n < grant.taken; n++) admit(nowMs)
    answered.push({ ...message, grant })
  }
  const receive = ({ worker, lease, grant, askedAtMs }: Message): void => {
    lease.granted(grant!, askedAtMs, clock(worker))
    for (let n = 0; n < grant!.taken; n++) lease.spend(clock(worker))
  }
  const burst = (worker: number, requests: number): void => {
    for (let n = 0; n < requests; n++) {
      if (leases[worker]!.spend(clock(worker))) admit(nowMs)
      else {
        ask(worker, 1)
        deliver(asked.pop()!)
        receive(answered.pop()!)
      }
    }
  }
  for (const each of steps) {
    if (each.do === 'wait') nowMs += each.ms
    else if (each.do === 'burst') burst(each.worker, each.requests)
    else if ('worker' in each) {
      if (each.do === 'restart') leases[each.worker] = new KeyLease(shape)
      else if (each.do === 'tick') ask(each.worker, 0)
      else if (leases[each.worker]!.spend(clock(each.worker))) admit(nowMs)
      else ask(each.worker, 1)
    } else if (each.do === 'reply') {
      const message = pick(answered, each.nth)
      if (message) receive(message)
    } else if (each.do === 'loseReply') pick(answered, each.nth)
    else {
      const message = pick(asked, each.nth)
      if (!message || each.do === 'lose') continue
      deliver(message)
      if (each.do === 'repeat') deliver({ ...message, ask: { ...message.ask, reports: [] } })
    }
  }
}

const capacities = fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 20, max: 100 }))
const rates = fc.oneof(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 600, max: 30_000 }))
const histories = fc.array(step, { minLength: 10, maxLength: 120 })

describe('leases of one bucket', () => {
  test('workers admit no more than one bucket would that all of them asked, at any moment, whatever gets lost', () => {
    fc.assert(
      fc.property(capacities, rates, histories, (capacity, rate, steps) => {
        let level = fullLevel(capacity)
        let updatedAtMs = 1_700_000_000_000
        play(capacity, rate, steps, (atMs) => {
          const decision = takeToken(capacity, rate, level, updatedAtMs, atMs)
          expect(decision.admitted).toBe(true)
          ;({ level, updatedAtMs } = decision)
        })
      }),
      { numRuns: 1_000 },
    )
  })

  test('a bucket that only one worker asks gives it what a bucket of its own would', () => {
    fc.assert(
      fc.property(capacities, rates, fc.array(fc.nat(2_000), { maxLength: 200 }), (capacity, rate, waits) => {
        let nowMs = 1_700_000_000_000
        const shared = newBucket(capacity, nowMs)
        let level = fullLevel(capacity)
        let updatedAtMs = nowMs
        for (const ms of waits) {
          nowMs += ms
          const plain = { capacity, ratePerMinute: rate, reports: [], spentAgoMs: 0, debt: 0, take: 1, ahead: 0 }
          const { taken } = exchangeTokens(shared, plain, nowMs)
          const own = takeToken(capacity, rate, level, updatedAtMs, nowMs)
          ;({ level, updatedAtMs } = own)
          expect(taken === 1).toBe(own.admitted)
        }
      }),
    )
  })

  test('what is offered above the limit is admitted up to it: leasing wastes next to nothing', () => {
    const [capacity, ratePerMinute] = [10, 600]
    const leases = Array.from({ length: 3 }, () => new KeyLease({ capacity, ratePerMinute }))
    const bucket = newBucket(capacity, 0)
    let admitted = 0
    for (let nowMs = 0; nowMs < 60_000; nowMs += 20) {
      const lease = leases[(nowMs / 20) % 3]!
      if (!lease.spend(nowMs) && !lease.isKnownEmpty(nowMs)) {
        lease.granted(exchangeTokens(bucket, lease.ask(1, 0, nowMs), nowMs), nowMs, nowMs)
        if (!lease.spend(nowMs)) continue
        admitted += 1
      } else if (!lease.isKnownEmpty(nowMs)) admitted += 1
    }
    expect(admitted).toBeLessThanOrEqual(610)
    expect(admitted).toBeGreaterThan(0.97 * 610)
  })

  test('a busy key under a high limit asks about once a second', () => {
    const lease = new KeyLease({ capacity: 60_000, ratePerMinute: 60_000 })
    const bucket = newBucket(60_000, 0)
    let calls = 0
    for (let nowMs = 0; nowMs < 10_000; nowMs += 10) {
      if (!lease.spend(nowMs) || lease.isLow(nowMs)) {
        calls += 1
        lease.granted(exchangeTokens(bucket, lease.ask(lease.held(nowMs) > 0 ? 0 : 1, 0, nowMs), nowMs), nowMs, nowMs)
      }
    }
    expect(calls).toBeLessThan(20)
  })

  test('what a lease did not spend is in the bucket again when it ends', () => {
    const shape = { capacity: 100, ratePerMinute: 1 }
    const bucket = newBucket(100, 0)
    const lease = new KeyLease(shape)
    const exchange = (take: number, nowMs: number): RateGrant => {
      const grant = exchangeTokens(bucket, lease.ask(take, 0, nowMs), nowMs)
      lease.granted(grant, nowMs, nowMs)
      return grant
    }
    for (let n = 0; n < 8; n++) {
      exchange(1, n)
      lease.spend(n)
    }
    const held = lease.held(8)
    expect(held).toBeGreaterThan(0)
    expect(lease.hasEnded(8)).toBe(false)
    expect(lease.hasEnded(leaseMs + 100)).toBe(true)
    exchange(0, leaseMs + 100)
    expect(bucket).toMatchObject({ out: 0, outBefore: 0 })
    expect(Math.floor(bucket.level / 60_000)).toBe(92)
  })

  test('tokens of a worker that is gone come back by the rate, once its window is over', () => {
    const bucket = newBucket(16, 0)
    const ask = { capacity: 16, ratePerMinute: 600, reports: [], spentAgoMs: 0, debt: 0, take: 0, ahead: 2 }
    expect(exchangeTokens(bucket, ask, 0).leased).toBe(2)
    const look = { ...ask, ahead: 0 }
    expect(exchangeTokens(bucket, look, 2 * leaseWindowMs - 1).level).toBe(fullLevel(14))
    exchangeTokens(bucket, look, 2 * leaseWindowMs)
    expect(exchangeTokens(bucket, look, 2 * leaseWindowMs + 200).level).toBe(fullLevel(16))
  })

  const leaseOf = (n: number, nowMs: number, reports: RateAsk['reports'] = []): [RateAsk, number] => [
    { capacity: 160, ratePerMinute: 60_000, reports, spentAgoMs: 0, debt: 0, take: 0, ahead: n },
    nowMs,
  ]

  test('what is leased at the end of a window is out in the next one too', () => {
    const bucket = newBucket(160, leaseWindowMs - 1)
    expect(exchangeTokens(bucket, ...leaseOf(20, leaseWindowMs - 1)).leased).toBe(20)
    expect(exchangeTokens(bucket, ...leaseOf(0, leaseWindowMs + leaseMs - 10)).level).toBe(fullLevel(140))
  })

  test('a report of a window that is over gives nothing back: its tokens have flowed in again', () => {
    const bucket = newBucket(160, 0)
    const { window } = exchangeTokens(bucket, ...leaseOf(20, 0))
    const overMs = 2 * leaseWindowMs
    exchangeTokens(bucket, ...leaseOf(0, overMs))
    exchangeTokens(bucket, { ...leaseOf(0, 0)[0], take: 50 }, overMs + 100)
    const { level } = exchangeTokens(bucket, ...leaseOf(0, overMs + 100, [{ window, spent: 0, unspent: 20 }]))
    expect(level).toBe(fullLevel(110))
    const late = newBucket(160, 0)
    exchangeTokens(late, ...leaseOf(20, 0))
    expect(exchangeTokens(late, ...leaseOf(0, overMs, [{ window, spent: 0, unspent: 20 }])).level).toBe(fullLevel(140))
  })
})
