import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bucketCapacity, fullLevel, levelPerToken, takeToken, type TokenDecision } from './token-bucket.ts'

interface Call {
  nowMs: number
  decision: TokenDecision
}

/** Calls one bucket, full at the first time, at each of the times. */
function play(capacity: number, ratePerMinute: number, timesMs: readonly number[]): Call[] {
  let level = fullLevel(capacity)
  let updatedAtMs = timesMs[0] ?? 0
  return timesMs.map((nowMs) => {
    const decision = takeToken(capacity, ratePerMinute, level, updatedAtMs, nowMs)
    ;({ level, updatedAtMs } = decision)
    return { nowMs, decision }
  })
}

const capacities = fc.integer({ min: 1, max: 50 })
const rates = fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 1_000_000 }))
const startMs = 1_700_000_000_000
/** Steps between calls, backward ones too. */
const times = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: -2000, max: 5000 }), fc.integer({ min: -1e6, max: 1e6 })), {
    minLength: 1,
    maxLength: 120,
  })
  .map((steps) => {
    let at = startMs
    return steps.map((step) => (at += step))
  })

describe('a token bucket', () => {
  it('admits at most its capacity and what its rate gave in the elapsed time, whatever the clock does', () => {
    fc.assert(
      fc.property(capacities, rates, times, (capacity, rate, timesMs) => {
        let admitted = 0
        let latestMs = timesMs[0]!
        for (const { nowMs, decision } of play(capacity, rate, timesMs)) {
          latestMs = Math.max(latestMs, nowMs)
          if (decision.admitted) admitted++
          const granted = BigInt(capacity) * 60_000n + BigInt(rate) * BigInt(latestMs - timesMs[0]!)
          expect(BigInt(admitted) * 60_000n <= granted).toBe(true)
        }
      }),
    )
  })

  it('gives what it promises: capacity at once, then rate for as long as it is asked', () => {
    const everyMs = Array.from({ length: 60_001 }, (_, i) => startMs + i)
    const admitted = play(10, 600, everyMs).filter(({ decision }) => decision.admitted)
    expect(admitted).toHaveLength(10 + 600)
  })

  it('does not drift: the level is exact after a million calls', () => {
    const calls = Array.from({ length: 1_000_000 }, (_, i) => startMs + i * 7)
    const admitted = play(1, 7, calls).filter(({ decision }) => decision.admitted).length
    expect(admitted).toBe(1 + Math.floor(((calls.length - 1) * 7 * 7) / 60_000))
  })

  it('mints nothing when the clock steps back and comes again', () => {
    const drained = play(2, 60, [startMs, startMs, startMs, startMs - 5000, startMs, startMs - 5000, startMs])
    expect(drained.map(({ decision }) => decision.admitted)).toEqual([true, true, false, false, false, false, false])
  })

  it('loses nothing to a refusal', () => {
    const [, refused] = play(1, 60, [startMs, startMs + 400])
    const [, , late] = play(1, 60, [startMs, startMs + 400, startMs + 1000])
    expect(refused!.decision).toMatchObject({ admitted: false, retryAfterMs: 600 })
    expect(late!.decision.admitted).toBe(true)
  })

  it('says to a refused one exactly when the next token is there', () => {
    fc.assert(
      fc.property(capacities, rates, times, (capacity, rate, timesMs) => {
        const refused = play(capacity, rate, timesMs).find(({ decision }) => !decision.admitted)
        fc.pre(refused !== undefined)
        const { level, updatedAtMs, retryAfterMs } = refused.decision
        const admittedAfter = (ms: number): boolean =>
          takeToken(capacity, rate, level, updatedAtMs, refused.nowMs + ms).admitted
        expect(admittedAfter(retryAfterMs)).toBe(true)
        expect(admittedAfter(retryAfterMs - 1)).toBe(false)
      }),
    )
  })

  it('says exactly when it is full again', () => {
    fc.assert(
      fc.property(capacities, rates, times, (capacity, rate, timesMs) => {
        const { level, updatedAtMs, resetAtMs } = play(capacity, rate, timesMs).at(-1)!.decision
        const levelAt = (ms: number): number => {
          const next = takeToken(capacity, rate, level, updatedAtMs, ms)
          return next.level + (next.admitted ? levelPerToken : 0)
        }
        expect(levelAt(resetAtMs)).toBe(fullLevel(capacity))
        expect(levelAt(resetAtMs - 1)).toBeLessThan(fullLevel(capacity))
      }),
    )
  })

  it('counts whole tokens as remaining', () => {
    expect(
      play(3, 60, [startMs, startMs, startMs + 500, startMs + 500]).map(({ decision }) => decision.remaining),
    ).toEqual([2, 1, 0, 0])
  })

  it('with a rate of 0 is unlimited', () => {
    const calls = play(1, 0, [startMs, startMs, startMs])
    expect(calls.map(({ decision }) => decision.admitted)).toEqual([true, true, true])
    expect(calls[2]!.decision).toMatchObject({ remaining: Infinity, retryAfterMs: 0, resetAtMs: startMs })
  })

  it('is cut to a capacity that became smaller', () => {
    expect(takeToken(5, 60, fullLevel(100), startMs, startMs).remaining).toBe(4)
  })
})

it.each([
  [60, null, 60],
  [60, 10, 10],
  [60, 0, 1],
  [1, null, 1],
])('a plan of %j a minute with burst %j has a bucket of %j', (rateLimitPerMinute, burst, capacity) => {
  expect(bucketCapacity({ rateLimitPerMinute, burst })).toBe(capacity)
})
