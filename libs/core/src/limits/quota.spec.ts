import { describe, expect, it } from 'vitest'
import type { QuotaMode } from '../model.ts'
import { quotaDecision, quotaLimit, quotaWarning } from './quota.ts'

const plan = (requestsPerMonth: number, quotaMode: QuotaMode = 'hard', quotaGracePercent = 0) => ({
  requestsPerMonth,
  quotaMode,
  quotaGracePercent,
})

describe('a quota', () => {
  it('that is hard admits exactly its units', () => {
    expect(quotaDecision(999, plan(1000))).toBe('admit')
    expect(quotaDecision(1000, plan(1000))).toBe('refuse')
  })

  it('that is hard refuses beyond its grace', () => {
    expect(quotaLimit(plan(1000, 'hard', 10))).toBe(1100)
    expect(quotaLimit(plan(15, 'hard', 10))).toBe(16)
    expect(quotaDecision(1099, plan(1000, 'hard', 10))).toBe('admit')
    expect(quotaDecision(1100, plan(1000, 'hard', 10))).toBe('refuse')
  })

  it.each(['soft', 'warn'] as const)('that is %s never refuses', (mode) => {
    expect(quotaDecision(1e12, plan(1000, mode))).toBe('admit')
  })

  it('of 0 is unlimited and never warns', () => {
    expect(quotaLimit(plan(0))).toBe(Infinity)
    expect(quotaWarning(1e12, plan(0))).toBeNull()
  })

  it.each([
    [0, null],
    [799, null],
    [800, 'approaching'],
    [949, 'approaching'],
    [950, 'critical'],
    [999, 'critical'],
    [1000, 'exceeded'],
    [1050, 'exceeded'],
  ])('of 1000 with %j used is %j, whatever its mode and grace', (used, warning) => {
    expect(quotaWarning(used, plan(1000))).toBe(warning)
    expect(quotaWarning(used, plan(1000, 'soft'))).toBe(warning)
    expect(quotaWarning(used, plan(1000, 'hard', 10))).toBe(warning)
  })
})
