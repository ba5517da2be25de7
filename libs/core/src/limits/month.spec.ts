import fc from 'fast-check'
import { expect, it } from 'vitest'
import { monthStartMs, nextMonthStartMs } from './month.ts'

it('months begin where the calendar of JavaScript has them, leap years and centuries too', () => {
  const anyMs = fc.integer({ min: Date.UTC(1900, 0, 1), max: Date.UTC(2500, 0, 1) })
  const yearMonth = fc.tuple(fc.integer({ min: 1900, max: 2500 }), fc.integer({ min: 0, max: 11 }))
  const edgeMs = fc
    .tuple(yearMonth, fc.integer({ min: -1, max: 1 }))
    .map(([[year, month], off]) => Date.UTC(year, month) + off)
  fc.assert(
    fc.property(fc.oneof(anyMs, edgeMs), (ms) => {
      const date = new Date(ms)
      expect(monthStartMs(ms)).toBe(Date.UTC(date.getUTCFullYear(), date.getUTCMonth()))
      expect(nextMonthStartMs(ms)).toBe(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1))
    }),
    { numRuns: 2000 },
  )
})

it('the last millisecond of December belongs to December', () => {
  const newYear = Date.UTC(2027, 0)
  expect(monthStartMs(newYear - 1)).toBe(Date.UTC(2026, 11))
  expect(nextMonthStartMs(newYear - 1)).toBe(newYear)
  expect(monthStartMs(newYear)).toBe(newYear)
})
