import { aPlan } from '@apigate/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Owner } from '../tables/owner.table.ts'
import { appendLimitHeaders } from './limit-headers.ts'
import { LocalLimits } from './local.limits.ts'

const owner: Owner = { kind: 'user', id: 'usr_1', status: 'active', planId: 'plan_1' }
const inMarch = Date.UTC(2026, 2, 31, 23, 59)
const inApril = Date.UTC(2026, 3, 1)

test('admits what the plan allows and no more, and a refusal takes nothing', () => {
  const limits = new LocalLimits()
  const plan = aPlan({ rateLimitPerMinute: 60, burst: 2 })
  const admitted = [0, 0, 0, 0].map(() => limits.takeToken(5, plan, 1_000).admitted)
  expect(admitted).toEqual([true, true, false, false])
  expect(limits.takeToken(5, plan, 2_000).admitted).toBe(true)
  expect(limits.takeToken(6, plan, 2_000).admitted).toBe(true)
})

test('a change of plan takes effect with the next request', () => {
  const limits = new LocalLimits()
  const small = aPlan({ rateLimitPerMinute: 1 })
  const unlimited = aPlan({ rateLimitPerMinute: 0 })
  const big = aPlan({ rateLimitPerMinute: 600 })
  expect(limits.takeToken(0, small, 0).admitted).toBe(true)
  expect(limits.takeToken(0, small, 0).admitted).toBe(false)
  expect(limits.takeToken(0, unlimited, 0).admitted).toBe(true)
  expect(limits.takeToken(0, small, 0).admitted).toBe(false)
  expect(limits.takeToken(0, big, 100).admitted).toBe(true)
})

test('a slot that gets another key starts with a full bucket', () => {
  const limits = new LocalLimits()
  const plan = aPlan({ rateLimitPerMinute: 1 })
  limits.takeToken(3, plan, 0)
  limits.forgetKey(3)
  expect(limits.takeToken(3, plan, 0).admitted).toBe(true)
})

test('looking at a bucket takes nothing', () => {
  const limits = new LocalLimits()
  const plan = aPlan({ rateLimitPerMinute: 60, burst: 3 })
  expect(limits.bucketLevel(0, plan, 0)).toEqual({ remaining: 3, resetAtMs: 0 })
  limits.takeToken(0, plan, 0)
  expect(limits.bucketLevel(0, plan, 0)).toEqual({ remaining: 2, resetAtMs: 1_000 })
  expect(limits.bucketLevel(0, plan, 0)).toEqual({ remaining: 2, resetAtMs: 1_000 })
})

test('for any order of reserving and settling single units, no more than the quota are used', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.boolean(), { maxLength: 100 }), (quota, steps) => {
      const limits = new LocalLimits()
      const plan = aPlan({ requestsPerMonth: quota })
      const running = []
      let used = 0
      for (const isNew of steps) {
        const reservation = isNew ? limits.reserve(owner, plan, inMarch) : null
        if (reservation?.admitted) running.push(reservation)
        const settled = isNew ? undefined : running.pop()
        if (settled) {
          limits.settle(settled, 1)
          used += 1
        }
        expect(used + running.length).toBeLessThanOrEqual(quota)
      }
      const last = limits.reserve(owner, plan, inMarch)
      expect(last.admitted).toBe(used + running.length < quota)
    }),
  )
})

test('what is given back can be used again', () => {
  const limits = new LocalLimits()
  const plan = aPlan({ requestsPerMonth: 1 })
  const reservation = limits.reserve(owner, plan, inMarch)
  expect(limits.reserve(owner, plan, inMarch).admitted).toBe(false)
  limits.settle(reservation, 0)
  expect(limits.reserve(owner, plan, inMarch).admitted).toBe(true)
})

test('a new month counts from zero, and what began in the old one settles there', () => {
  const limits = new LocalLimits()
  const plan = aPlan({ requestsPerMonth: 1 })
  const old = limits.reserve(owner, plan, inMarch)
  const next = limits.reserve(owner, plan, inApril)
  expect(next.admitted).toBe(true)
  limits.settle(old, 100)
  expect(next.count).toMatchObject({ used: 0, reserved: 1, resetAtMs: Date.UTC(2026, 4, 1) })
})

function headersOf(limited: Parameters<typeof appendLimitHeaders>[0]): Record<string, string> {
  const flat: string[] = []
  appendLimitHeaders(limited, flat)
  return Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1]!]] : [])))
}

test('headers tell limit, what is left and until when', () => {
  const plan = aPlan({ rateLimitPerMinute: 60, requestsPerMonth: 100 })
  const times = { receivedAtMs: inMarch, startedAtMs: 5_000 }
  const quota = { admitted: true, count: { used: 94, reserved: 1, resetAtMs: inApril } }
  expect(headersOf({ plan, token: { remaining: 59, resetAtMs: 6_000 }, quota, ...times })).toEqual({
    'x-ratelimit-limit': '60',
    'x-ratelimit-remaining': '59',
    'x-ratelimit-reset': String(inMarch / 1_000 + 1),
    'x-quota-limit': '100',
    'x-quota-used': '95',
    'x-quota-remaining': '5',
    'x-quota-reset': '2026-04-01T00:00:00.000Z',
    'x-quota-warning': 'critical',
  })
  const unlimited = aPlan({ rateLimitPerMinute: 0, requestsPerMonth: 0 })
  expect(headersOf({ plan: unlimited, token: { remaining: Infinity, resetAtMs: 0 }, quota, ...times })).toEqual({})
})
