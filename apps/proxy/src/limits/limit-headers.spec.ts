import { aPlan } from '@apigate/testing'
import { expect, test } from 'vitest'
import { appendLimitHeaders } from './limit-headers.ts'

const inMarch = Date.UTC(2026, 2, 31, 23, 59)
const inApril = Date.UTC(2026, 3, 1)

function headersOf(limited: Parameters<typeof appendLimitHeaders>[0], withDraft = false): Record<string, string> {
  const flat: string[] = []
  appendLimitHeaders(limited, flat, withDraft)
  return Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1]!]] : [])))
}

test('headers tell limit, what is left and until when', () => {
  const plan = aPlan({ rateLimitPerMinute: 60, requestsPerMonth: 100 })
  const times = { receivedAtMs: inMarch, startedAtMs: 5_000 }
  const quota = { admitted: true, isAway: false, count: { used: 95, resetAtMs: inApril } }
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

test('with the draft they say the same, in seconds from now', () => {
  const plan = aPlan({ rateLimitPerMinute: 60 })
  const [receivedAtMs, startedAtMs] = [Date.now(), 5_000]
  const token = { remaining: 58, resetAtMs: startedAtMs + 600_000 }
  const headers = headersOf({ plan, token, quota: null, receivedAtMs, startedAtMs }, true)
  expect(headers['ratelimit-policy']).toBe('"key";q=60;w=60')
  expect(headers['ratelimit']).toMatch(/^"key";r=58;t=(600|599)$/)
  expect(headers['x-ratelimit-remaining']).toBe('58')
})
