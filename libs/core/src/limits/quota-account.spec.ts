import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { QuotaAccount } from './quota-account.ts'
import { exchangeUnits, type QuotaAsk, type QuotaGrant } from './shared-quota.ts'

type Step =
  | { do: 'request' | 'settle' | 'giveUp' | 'tick' | 'restart'; worker: number }
  | { do: 'wait'; ms: number }
  | { do: 'deliver' | 'reply' | 'lose' | 'loseReply'; nth: number }

const workers = 3
const ofWorker = fc.record({
  do: fc.constantFrom('request', 'request', 'request', 'request', 'settle', 'giveUp', 'tick', 'restart'),
  worker: fc.nat(workers - 1),
}) as fc.Arbitrary<Step>
const ofMessage = fc.record({
  do: fc.constantFrom('deliver', 'deliver', 'deliver', 'reply', 'reply', 'reply', 'lose', 'loseReply'),
  nth: fc.nat(5),
}) as fc.Arbitrary<Step>
const ofTime = fc.record({ do: fc.constant('wait' as const), ms: fc.oneof(fc.nat(50), fc.nat(2_500)) })
const histories = fc.array(
  fc.oneof({ weight: 4, arbitrary: ofWorker }, { weight: 4, arbitrary: ofMessage }, { weight: 1, arbitrary: ofTime }),
  { minLength: 20, maxLength: 300 },
)

interface Message {
  account: QuotaAccount
  ask: QuotaAsk
  askedAtMs: number
  grant?: QuotaGrant
}

describe('units of a month that workers share', () => {
  test('no more requests are admitted than the limit has units, whatever gets lost and whoever dies', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), histories, (limit, steps) => {
        let nowMs = 0
        let count = 0
        let used = 0
        let running = 0
        const accounts = Array.from({ length: workers }, () => new QuotaAccount(Infinity))
        const asked: Message[] = []
        const answered: Message[] = []
        const pick = (messages: Message[], nth: number): Message | undefined =>
          messages.splice(nth % (messages.length || 1), 1)[0]
        for (const step of steps) {
          if (step.do === 'wait') nowMs += step.ms
          else if ('worker' in step) {
            const account = accounts[step.worker]!
            const ask = (take: number): void =>
              void asked.push({ account, ask: account.ask(limit, take, nowMs), askedAtMs: nowMs })
            if (step.do === 'request') {
              if (account.reserve(limit, nowMs)) running += 1
              else ask(1)
            } else if (step.do === 'tick') ask(0)
            else if (step.do === 'restart') {
              used += account.running
              running -= account.running
              accounts[step.worker] = new QuotaAccount(Infinity)
            } else if (account.running > 0) {
              account.settle(step.do === 'settle' ? 1 : 0, nowMs)
              running -= 1
              used += step.do === 'settle' ? 1 : 0
            }
          } else {
            const isReply = step.do === 'reply' || step.do === 'loseReply'
            const message = pick(isReply ? answered : asked, step.nth)
            if (!message || step.do === 'lose' || step.do === 'loseReply') continue
            if (step.do === 'reply') message.account.granted(message.ask, message.grant!, 1, message.askedAtMs)
            else {
              const grant = exchangeUnits(count, message.ask)
              count = grant.count
              answered.push({ ...message, grant })
            }
          }
          expect(used + running).toBeLessThanOrEqual(limit)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  const exchange = (account: QuotaAccount, count: number, limit: number, take: number, nowMs: number): number => {
    const ask = account.ask(limit, take, nowMs)
    const grant = exchangeUnits(count, ask)
    account.granted(ask, grant, 1, nowMs)
    return grant.count
  }

  test('units that are known after the answer are told with the next exchange, once', () => {
    const account = new QuotaAccount(Infinity)
    let count = exchange(account, 0, 1_000, 1, 0)
    expect(account.reserve(1_000, 0)).toBe(true)
    account.settle(400, 0)
    expect(account.used).toBe(400)
    expect(account.reserve(1_000, 0), 'not with units that nobody gave').toBe(false)
    expect(account.isDue(1_000)).toBe(true)
    count = exchange(account, count, 1_000, 0, 1_000)
    expect(count - account.ask(1_000, 0, 3_000).give).toBe(400)
  })

  test('one single large answer goes over the limit, and nothing is admitted after it', () => {
    const account = new QuotaAccount(Infinity)
    let count = exchange(account, 0, 10, 1, 0)
    account.reserve(10, 0)
    account.settle(5_000, 0)
    count = exchange(account, count, 10, 1, 0)
    expect(count).toBe(5_000)
    expect(account.reserve(10, 0)).toBe(false)
    expect(account.isKnownEmpty(0)).toBe(true)
  })

  test('what never refuses counts on without waiting', () => {
    const account = new QuotaAccount(Infinity)
    expect(account.reserve(Infinity, 0)).toBe(false)
    const count = exchange(account, 70, Infinity, 0, 0)
    for (let n = 0; n < 5; n++) expect(account.reserve(Infinity, 0)).toBe(true)
    expect(account.used).toBe(75)
    expect(exchange(account, count, Infinity, 0, 1_000)).toBe(75)
  })

  test('without the store a worker uses its share of what was left, and tells it afterwards', () => {
    const account = new QuotaAccount(Infinity)
    const count = exchange(account, 70, 100, 0, 0)
    const admitted = Array.from({ length: 30 }, () => account.reserveAlone(100, 3, 10)).filter(Boolean)
    expect(admitted).toHaveLength(10)
    for (const _ of admitted) account.settle(1, 20)
    exchange(account, count, 100, 0, 30)
    expect(account.used).toBe(80)
    const unknown = new QuotaAccount(Infinity)
    expect([1, 2, 3].map(() => unknown.reserveAlone(7, 3, 0))).toEqual([true, true, false])
  })

  test('a count that the store had to make anew gets what the ledger cannot have yet', () => {
    const account = new QuotaAccount(Infinity)
    exchange(account, 0, 100, 1, 0)
    account.reserve(100, 0)
    account.settle(30, 0)
    const ask = account.ask(100, 0, 500)
    account.granted(ask, exchangeUnits(0, ask), 1, 500)
    const again = account.ask(100, 1, 600)
    const { count, ...grant } = exchangeUnits(0, again)
    account.granted(again, { count, ...grant }, 2, 600)
    expect(account.used).toBeGreaterThanOrEqual(30)
    expect(count - account.ask(100, 0, 3_000).give).toBe(30)
  })

  test('units of a count that is lost are good for nothing more, and what runs is in the next one', () => {
    const account = new QuotaAccount(Infinity)
    let count = 0
    for (let n = 0; n < 10; n++) {
      count = exchange(account, count, 100, 1, n)
      account.reserve(100, n)
      if (n < 8) account.settle(1, n)
    }
    expect(account.used, 'beside what runs').toBe(10)
    const ask = account.ask(100, 1, 20)
    account.granted(ask, exchangeUnits(0, ask), 2, 20)
    let admitted = 0
    while (account.reserve(100, 20)) admitted += 1
    expect(admitted, 'all of them on account of what the answers before it took').toBe(0)
    expect(account.used).toBe(10)
  })

  test('units of a count that is lost are not given back to the next one', () => {
    const account = new QuotaAccount(Infinity)
    for (let n = 0, count = 0; n < 3; n++) {
      count = exchange(account, count, 100, 1, n)
      account.reserve(100, n)
      account.settle(1, n)
    }
    const ask = account.ask(100, 0, 30_000)
    expect(ask.give).toBeGreaterThan(0)
    const { count, ...grant } = exchangeUnits(50, ask)
    account.granted(ask, { count, ...grant }, 2, 30_000)
    expect(account.used).toBe(50)
    expect(exchangeUnits(count, account.ask(100, 0, 32_000)).count).toBe(50)
  })
})
