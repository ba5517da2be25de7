import type { LimitCall, LimitReply, LimitStore } from '@apigate/contracts'
import type { PlanConfig } from '@apigate/core'
import { createLogger } from '@apigate/platform'
import { aPlan, waitFor } from '@apigate/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { memoryLimits, memoryStore } from '../../test/limits.fixture.ts'
import type { Owner } from '../tables/owner.table.ts'
import type { LimitsFallback } from './alone.limits.ts'
import { LeasedLimits } from './leased.limits.ts'
import type { LimitedRequest, Limits } from './limits.ts'

const owner: Owner = { kind: 'user', id: 'usr_1', status: 'active', planId: 'plan_1' }
const inMarch = Date.UTC(2026, 2, 31, 23, 59)
const inApril = Date.UTC(2026, 3, 1)
const log = createLogger({ name: 'test', level: 'silent' })

const of = (plan: PlanConfig, keyId = 'key_1', receivedAtMs = inMarch): LimitedRequest => ({
  ...{ owner, plan, keyId, receivedAtMs },
})

let nowMs: number
beforeEach(() => void (nowMs = 1_000))
const clock = (): number => nowMs

describe('a worker that is alone', () => {
  let limits: LeasedLimits
  beforeEach(() => void (limits = memoryLimits(clock)))
  afterEach(() => limits.close())
  const isAdmitted = (plan: PlanConfig, keyId?: string): unknown => limits.takeToken(of(plan, keyId))

  test('admits what the plan allows and no more, at once, and a refusal takes nothing', () => {
    const plan = aPlan({ rateLimitPerMinute: 60, burst: 2 })
    const decisions = [0, 0, 0, 0].map(() => limits.takeToken(of(plan)))
    expect(decisions).toMatchObject([true, true, false, false].map((admitted) => ({ admitted })))
    expect(decisions).toMatchObject([{ remaining: 1 }, { remaining: 0 }, { retryAfterMs: 1_000 }, {}])
    nowMs = 2_000
    expect(isAdmitted(plan)).toMatchObject({ admitted: true })
    expect(isAdmitted(plan, 'key_2')).toMatchObject({ admitted: true, remaining: 1, resetAtMs: 3_000 })
  })

  test('a change of plan takes effect with the next request', () => {
    const small = aPlan({ rateLimitPerMinute: 1 })
    const unlimited = aPlan({ rateLimitPerMinute: 0 })
    const big = aPlan({ rateLimitPerMinute: 600 })
    expect(isAdmitted(small)).toMatchObject({ admitted: true })
    expect(isAdmitted(small)).toMatchObject({ admitted: false })
    expect(isAdmitted(unlimited)).toMatchObject({ admitted: true, remaining: Infinity })
    expect(isAdmitted(small)).toMatchObject({ admitted: false })
    nowMs += 100
    expect(isAdmitted(big)).toMatchObject({ admitted: true })
  })

  test('what was leased under a bigger plan is not spent under a smaller one', () => {
    const big = aPlan({ rateLimitPerMinute: 600_000, requestsPerMonth: 1_000_000 })
    for (let n = 0; n < 500; n++) {
      void limits.takeToken(of(big))
      limits.settle(limits.reserve(of(big)) as never, 1)
    }
    const small = aPlan({ rateLimitPerMinute: 1, burst: 3, requestsPerMonth: 502 })
    const tokens = Array.from({ length: 10 }, () => limits.takeToken(of(small)))
    expect(tokens.filter((decision) => 'admitted' in decision && decision.admitted)).toHaveLength(3)
    const units = Array.from({ length: 10 }, () => limits.reserve(of(small)))
    expect(units.filter((reservation) => 'admitted' in reservation && reservation.admitted)).toHaveLength(2)
  })

  test('looking at a bucket takes nothing', () => {
    const plan = aPlan({ rateLimitPerMinute: 60, burst: 3 })
    expect(limits.bucketLevel(of(plan))).toMatchObject({ remaining: 3, resetAtMs: 1_000 })
    void limits.takeToken(of(plan))
    expect(limits.bucketLevel(of(plan))).toMatchObject({ remaining: 2, resetAtMs: 2_000 })
    expect(limits.bucketLevel(of(plan))).toMatchObject({ remaining: 2, resetAtMs: 2_000 })
  })

  test('what is given back can be used again', () => {
    const plan = aPlan({ requestsPerMonth: 1 })
    const reservation = limits.reserve(of(plan))
    expect(reservation).toMatchObject({ admitted: true, count: { used: 1 } })
    expect(limits.reserve(of(plan))).toMatchObject({ admitted: false })
    limits.settle(reservation as never, 0)
    expect(limits.reserve(of(plan))).toMatchObject({ admitted: true, count: { used: 1 } })
  })

  test.each(['soft', 'warn'] as const)('a %s quota counts on beyond its limit', (quotaMode) => {
    const plan = aPlan({ requestsPerMonth: 2, quotaMode })
    for (let used = 1; used <= 5; used++) {
      const reservation = limits.reserve(of(plan))
      expect(reservation).toMatchObject({ admitted: true, count: { used } })
      limits.settle(reservation as never, 1)
    }
  })

  test('a new month counts from zero, and what began in the old one settles there', () => {
    const plan = aPlan({ requestsPerMonth: 1 })
    const old = limits.reserve(of(plan))
    const next = limits.reserve(of(plan, 'key_1', inApril))
    expect(next).toMatchObject({ admitted: true })
    limits.settle(old as never, 100)
    expect(next).toMatchObject({ count: { used: 1, resetAtMs: Date.UTC(2026, 4, 1) } })
    expect(old).toMatchObject({ count: { used: 100, resetAtMs: inApril } })
  })

  test('what was received in the old month counts there, also after the first of the new one', () => {
    const plan = aPlan({ requestsPerMonth: 2 })
    limits.settle(limits.reserve(of(plan)) as never, 1)
    limits.settle(limits.reserve(of(plan, 'key_1', inApril)) as never, 1)
    expect(limits.reserve(of(plan, 'key_1', inApril - 1))).toMatchObject({ admitted: true, count: { used: 2 } })
    expect(limits.reserve(of(plan))).toMatchObject({ admitted: false, count: { resetAtMs: inApril } })
    expect(limits.reserve(of(plan, 'key_1', inApril))).toMatchObject({ admitted: true, count: { used: 2 } })
    expect(limits.reserve(of(plan, 'key_1', inApril))).toMatchObject({ admitted: false })
  })

  test('the keys of a group share its month, and each has a bucket of its own', () => {
    const plan = aPlan({ requestsPerMonth: 3, rateLimitPerMinute: 60, burst: 2 })
    const ask = (keyId: string): LimitedRequest => ({
      ...of(plan, keyId),
      owner: { ...owner, kind: 'group', id: 'grp_1' },
    })
    const units = ['key_1', 'key_2', 'key_3', 'key_4'].map((keyId) => limits.reserve(ask(keyId)))
    expect(units).toMatchObject([true, true, true, false].map((admitted) => ({ admitted })))
    const tokens = ['key_1', 'key_1', 'key_1', 'key_2'].map((keyId) => limits.takeToken(ask(keyId)))
    expect(tokens).toMatchObject([true, true, false, true].map((admitted) => ({ admitted })))
  })

  test('what is idle is told to the store and forgotten: leased tokens are in the bucket again', () => {
    const plan = aPlan({ rateLimitPerMinute: 1, burst: 100 })
    for (let n = 0; n < 20; n++) void limits.takeToken(of(plan))
    for (nowMs of [2_100, 3_000, 5_000, 8_000]) limits.tick()
    const left = Array.from({ length: 100 }, () => limits.takeToken(of(plan)))
    expect(left.filter((decision) => 'admitted' in decision && decision.admitted)).toHaveLength(80)
  })
})

/** A store that answers when it is told to. */
class SlowStore implements LimitStore {
  readonly calls: LimitCall[] = []
  isBroken = false
  pings = 0
  readonly inner = memoryStore(clock)
  #answers: (() => void)[] = []

  exchange(call: LimitCall): Promise<LimitReply> {
    this.calls.push(call)
    if (this.isBroken) return Promise.reject(new Error('away'))
    return new Promise((resolve) => this.#answers.push(() => resolve(this.inner.exchange(call))))
  }

  answer(): void {
    for (const answer of this.#answers.splice(0)) answer()
  }

  ping(): Promise<void> {
    this.pings += 1
    return this.isBroken ? Promise.reject(new Error('away')) : Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

describe('with a store elsewhere', () => {
  let store: SlowStore
  let limits: LeasedLimits
  const start = (fallback: LimitsFallback = 'local', workers = 1): void => {
    limits = new LeasedLimits({ store, fallback, workers: () => workers, log, nowMs: clock })
  }
  beforeEach(() => {
    store = new SlowStore()
    start()
  })
  afterEach(() => {
    store.isBroken = true
    return limits.close()
  })
  const admissions = async (decisions: ReturnType<Limits['takeToken']>[]): Promise<boolean[]> =>
    (await Promise.all(decisions.map(async (decision) => decision))).map(({ admitted }) => admitted)

  test('requests that wait for the same key share one call, and get what it brought in their order', async () => {
    const plan = aPlan({ rateLimitPerMinute: 60, burst: 4 })
    const decisions = Array.from({ length: 6 }, () => limits.takeToken(of(plan)))
    expect(store.calls).toHaveLength(1)
    store.answer()
    await waitFor(() => store.calls.length === 2)
    expect(store.calls[1]!.key!.ask.take).toBe(5)
    store.answer()
    expect(await admissions(decisions)).toEqual([true, true, true, true, false, false])
  })

  test('the first request of a key asks for its unit and its token in one call', async () => {
    const plan = aPlan({ rateLimitPerMinute: 60, requestsPerMonth: 10 })
    const reservation = limits.reserve(of(plan))
    store.answer()
    expect(await reservation).toMatchObject({ admitted: true })
    expect(limits.takeToken(of(plan))).toMatchObject({ admitted: true, remaining: 59 })
    expect(store.calls).toHaveLength(1)
  })

  test('a key with a lease in hand is decided without waiting, and the next lease is asked for before it is dry', async () => {
    const plan = aPlan({ rateLimitPerMinute: 60_000 })
    for (let n = 0; n < 3; n++) {
      const decision = limits.takeToken(of(plan))
      store.answer()
      await decision
    }
    const before = store.calls.length
    const decisions = []
    for (let n = 0; n < 50; n++) {
      decisions.push(limits.takeToken(of(plan)))
      store.answer()
      await Promise.resolve()
      await Promise.resolve()
    }
    expect(decisions.filter((decision) => decision instanceof Promise).length).toBeLessThan(3)
    expect(store.calls.length - before).toBeLessThan(15)
  })

  test('what a key and its owner’s month run out of is asked for in one call, and given back in one', async () => {
    const plan = aPlan({ rateLimitPerMinute: 60_000, requestsPerMonth: 1_000_000 })
    for (let n = 0; n < 100; n++) {
      const reservation = limits.reserve(of(plan))
      store.answer()
      limits.settle(await reservation, 1)
      const decision = limits.takeToken(of(plan))
      store.answer()
      expect(await decision).toMatchObject({ admitted: true })
    }
    const leases = store.calls.slice(2)
    expect(leases.length).toBeLessThan(12)
    for (const { key, quota } of leases) {
      expect(key?.ask.ahead).toBeGreaterThan(0)
      expect(quota?.ask.ahead).toBeGreaterThan(0)
    }
    nowMs += 2_500
    const before = store.calls.length
    limits.tick()
    expect(store.calls.slice(before)).toMatchObject([{ key: { ask: { ahead: 0 } }, quota: { ask: { ahead: 0 } } }])
  })

  test('an empty bucket is not asked again before it can have a token', async () => {
    const plan = aPlan({ rateLimitPerMinute: 60, burst: 1 })
    const decisions = [limits.takeToken(of(plan)), limits.takeToken(of(plan))]
    store.answer()
    expect(await admissions(decisions)).toEqual([true, false])
    expect(store.calls).toHaveLength(1)
    expect(limits.takeToken(of(plan))).toMatchObject({ admitted: false, retryAfterMs: 1_000 })
    nowMs += 1_000
    const later = limits.takeToken(of(plan))
    store.answer()
    expect(await later).toMatchObject({ admitted: true })
  })

  test('who still waits when the store is closed is decided by the worker alone', async () => {
    const ended = new AbortController()
    const closed = (): Promise<never> =>
      new Promise((_, reject) => void setImmediate(reject, new Error('the connection is closed')))
    store.exchange = () => new Promise((_, reject) => ended.signal.addEventListener('abort', reject))
    store.close = () => {
      store.exchange = closed
      ended.abort()
      return Promise.resolve()
    }
    const plan = aPlan({ rateLimitPerMinute: 60, requestsPerMonth: 10 })
    const [reservation, decision] = [limits.reserve(of(plan)), limits.takeToken(of(plan))]
    await limits.close()
    expect(await Promise.all([reservation, decision])).toMatchObject([{ admitted: true }, { admitted: true }])
  })

  const goAway = async (plan: PlanConfig): Promise<void> => {
    store.isBroken = true
    await limits.takeToken(of(plan, 'key_of_the_outage'))
  }

  test('while the store is away a worker admits its share of what it knew to be left, and of the rate', async () => {
    await limits.close()
    start('local', 3)
    const plan = aPlan({ rateLimitPerMinute: 60, burst: 30 })
    await goAway(plan)
    const decisions = Array.from({ length: 30 }, () => limits.takeToken(of(plan)))
    expect(decisions.every((decision) => !(decision instanceof Promise))).toBe(true)
    expect((await admissions(decisions)).filter(Boolean)).toHaveLength(10)
    nowMs += 3_000
    expect(await admissions([limits.takeToken(of(plan)), limits.takeToken(of(plan))])).toEqual([true, false])
    expect(limits.alone).toBeGreaterThan(30)
    // The rate of the key that first met the outage is a share, too.
    expect(limits.aloneAdmitted).toBe(10 + 1 + 1)
  })

  test('when the store is back, what was admitted without it is taken off the bucket', async () => {
    const plan = aPlan({ rateLimitPerMinute: 60, burst: 10 })
    await goAway(plan)
    expect(
      (await admissions(Array.from({ length: 20 }, () => limits.takeToken(of(plan))))).filter(Boolean),
    ).toHaveLength(10)
    store.isBroken = false
    await waitFor(() => !limits.breaker.isAway)
    const decision = limits.takeToken(of(plan))
    store.answer()
    expect(await decision).toMatchObject({ admitted: false })
  })

  test('open admits everything, closed refuses with what it cannot check, and unlimited plans do not mind', async () => {
    const plan = aPlan({ rateLimitPerMinute: 1, requestsPerMonth: 1 })
    await limits.close()
    start('open')
    await goAway(plan)
    expect(await admissions([1, 2, 3].map(() => limits.takeToken(of(plan))))).toEqual([true, true, true])
    expect([1, 2, 3].map(() => limits.reserve(of(plan)))).toMatchObject([1, 2, 3].map(() => ({ admitted: true })))
    await limits.close()
    start('closed')
    await goAway(plan)
    expect(limits.takeToken(of(plan))).toMatchObject({ admitted: false, isAway: true })
    expect(limits.reserve(of(plan))).toMatchObject({ admitted: false, isAway: true })
    const free = aPlan({ rateLimitPerMinute: 0, requestsPerMonth: 0 })
    expect(limits.takeToken(of(free))).toMatchObject({ admitted: true })
    expect(limits.reserve(of(free))).toMatchObject({ admitted: true })
  })

  test('a month whose count nobody knows is asked for again, then limited alone; what was used is told later', async () => {
    const plan = aPlan({ requestsPerMonth: 3 })
    const unknown = store.inner.exchange.bind(store.inner)
    store.inner.exchange = (call) => ({ ...unknown({ ...call, quota: null }), quota: null })
    const reservation = limits.reserve(of(plan))
    const answering = setInterval(() => {
      nowMs += 10
      store.answer()
    }, 1)
    expect(await reservation).toMatchObject({ admitted: true })
    expect(await limits.reserve(of(plan))).toMatchObject({ admitted: true })
    store.inner.exchange = unknown
    nowMs += 2_000
    const [third, fourth] = [await limits.reserve(of(plan)), await limits.reserve(of(plan))]
    clearInterval(answering)
    expect([third, fourth]).toMatchObject([{ admitted: true, count: { used: 3 } }, { admitted: false }])
    expect(store.calls.some(({ quota }) => quota?.ask.give === -2)).toBe(true)
  })

  test('what was used is told when the store is back, also of a month that waited for its count as it went away', async () => {
    const plan = aPlan({ requestsPerMonth: 100 })
    const first = limits.reserve(of(plan))
    store.answer()
    limits.settle(await first, 50)
    const known = store.inner.exchange.bind(store.inner)
    store.inner.exchange = (call) => ({ ...known({ ...call, quota: null }), quota: null })
    const second = limits.reserve(of(plan))
    store.answer()
    await Promise.resolve()
    await goAway(aPlan({ rateLimitPerMinute: 60 }))
    expect(await second).toMatchObject({ admitted: true })
    const callsBefore = store.calls.length
    store.inner.exchange = known
    store.isBroken = false
    await waitFor(() => !limits.breaker.isAway)
    nowMs += 2_000
    limits.tick()
    expect(store.calls.slice(callsBefore).map(({ quota }) => quota?.ask.give)).toContainEqual(-50)
  })

  test('a count that nobody knows after an outage either is waited for anew', async () => {
    await limits.close()
    start('closed')
    const plan = aPlan({ requestsPerMonth: 3 })
    const known = store.inner.exchange.bind(store.inner)
    const unknown = (call: LimitCall): LimitReply => ({ ...known({ ...call, quota: null }), quota: null })
    store.inner.exchange = unknown
    const first = limits.reserve(of(plan))
    store.answer()
    await Promise.resolve()
    await goAway(aPlan({ rateLimitPerMinute: 60 }))
    expect(await first).toMatchObject({ admitted: false, isAway: true })
    store.isBroken = false
    await waitFor(() => !limits.breaker.isAway)
    nowMs += 2_000
    const second = limits.reserve(of(plan))
    store.answer()
    await Promise.resolve()
    store.inner.exchange = known
    const answering = setInterval(() => store.answer(), 1)
    expect(await second).toMatchObject({ admitted: true })
    clearInterval(answering)
  })

  test('a request waits for two calls at most, however many others ask', async () => {
    const plan = aPlan({ rateLimitPerMinute: 60_000, burst: 3, requestsPerMonth: 100 })
    const waited: number[] = []
    const ask = async (): Promise<void> => {
      const before = store.calls.length
      await limits.takeToken(of(plan))
      waited.push(store.calls.length - before)
    }
    const asking: Promise<void>[] = []
    for (let n = 0; n < 40; n++) {
      asking.push(ask(), ask(), ask(), ask(), ask())
      if (n % 3 === 2) store.answer()
      if (n % 7 === 0) nowMs += 1
      await Promise.resolve()
    }
    const answering = setInterval(() => store.answer(), 1)
    await Promise.all(asking)
    clearInterval(answering)
    expect(waited).toHaveLength(200)
    expect(Math.max(...waited)).toBeLessThanOrEqual(2)
  })

  test('an outage is one line in the log, and so is its end', async () => {
    await limits.close()
    const lines: string[] = []
    const heard = createLogger({ name: 'test', level: 'info', destination: { write: (line) => void lines.push(line) } })
    limits = new LeasedLimits({ store, fallback: 'local', workers: () => 1, log: heard, nowMs: clock })
    const plan = aPlan({ rateLimitPerMinute: 60 })
    store.isBroken = true
    await Promise.all(['key_1', 'key_2', 'key_3'].map(async (keyId) => limits.takeToken(of(plan, keyId))))
    for (let n = 0; n < 10; n++) void limits.takeToken(of(plan))
    store.isBroken = false
    await waitFor(() => !limits.breaker.isAway)
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
      'the shared limits are away: this worker limits by itself',
      'the shared limits are back',
    ])
  })

  test('on drain every lease is given back', async () => {
    const plan = aPlan({ rateLimitPerMinute: 60_000, requestsPerMonth: 1_000_000 })
    for (let n = 0; n < 10; n++) {
      const reservation = limits.reserve(of(plan))
      store.answer()
      await reservation
      const decision = limits.takeToken(of(plan))
      store.answer()
      await decision
    }
    const closed = limits.close()
    store.answer()
    await closed
    const last = store.calls.slice(-2)
    expect(last.flatMap(({ key }) => key?.ask.reports ?? []).some(({ unspent }) => unspent > 0)).toBe(true)
    expect(last.some(({ quota }) => quota !== null && quota.ask.give > 0)).toBe(true)
    expect(last.map(({ key, quota }) => [key?.ask.ahead ?? 0, quota?.ask.ahead ?? 0])).toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  test('what comes while it drains is given back, too', async () => {
    const plan = aPlan({ rateLimitPerMinute: 0, requestsPerMonth: 1_000_000 })
    for (let n = 0; n < 10; n++) {
      const reservation = limits.reserve(of(plan))
      store.answer()
      await reservation
    }
    const before = store.calls.length
    while (store.calls.length === before) void limits.reserve(of(plan))
    const closed = limits.close()
    store.answer()
    await waitFor(() => store.calls.length > before + 1)
    store.answer()
    await closed
    expect(store.calls.at(-1)!.quota!.ask).toMatchObject({ give: expect.any(Number), take: 0, ahead: 0 })
    expect(store.calls.at(-1)!.quota!.ask.give).toBeGreaterThan(0)
  })
})
