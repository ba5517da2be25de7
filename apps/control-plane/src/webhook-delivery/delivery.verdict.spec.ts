import { describe, expect, test } from 'vitest'
import { verdict } from './delivery.verdict.ts'
import { noAnswer, type Answer } from './webhook.sender.ts'

const now = Date.UTC(2026, 10, 22, 12)
const answer = (statusCode: number | null, changes: Partial<Answer> = {}): Answer => {
  return { ...noAnswer(''), statusCode, ...changes }
}
const again = (ms: number) => ({ status: 'pending', nextAttemptAtMs: now + ms })

describe('a delivery', () => {
  test.each([200, 201, 204, 299])('is done by %i', (status) => {
    expect(verdict(answer(status), 1, now, 0)).toEqual({ status: 'delivered' })
  })

  test.each([301, 302, 307, 308, 400, 401, 403, 404, 409, 410, 422])('is ended by %i', (status) => {
    expect(verdict(answer(status), 1, now, 0)).toEqual({ status: 'failed' })
  })

  test.each([null, 408, 429, 500, 502, 503, 504, 599])(
    'is tried again after %j: in 1, 5 and 30 minutes, 2 and 12 hours',
    (status) => {
      const pauses = [1, 2, 3, 4, 5, 6].map((attempts) => verdict(answer(status), attempts, now, 0))
      const minutes = [1, 5, 30, 120, 720]
      expect(pauses).toEqual([...minutes.map((count) => again(count * 60_000)), { status: 'failed' }])
    },
  )

  test('is never tried again sooner than that, and a fifth later at most', () => {
    expect(verdict(answer(500), 1, now, 0.999_999)).toEqual(again(72_000))
  })

  test('is ended where the URL leads to where nothing may be sent', () => {
    expect(verdict(answer(null, { refused: true }), 1, now, 0)).toEqual({ status: 'failed' })
  })
})

describe('Retry-After', () => {
  test.each([
    [429, '120', 120_000],
    [503, '90', 90_000],
    [429, '1', 60_000],
    [429, '999999999999', 3_600_000],
    [429, new Date(now + 600_000).toUTCString(), 600_000],
    [429, new Date(now - 600_000).toUTCString(), 60_000],
    [429, 'soon', 60_000],
    [429, '-5', 60_000],
    [500, '120', 60_000],
    [408, '120', 60_000],
  ])('of %i with %s means a pause of %i ms', (status, retryAfter, ms) => {
    expect(verdict(answer(status, { retryAfter }), 1, now, 0)).toEqual(again(ms))
  })
})
