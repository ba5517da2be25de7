import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sortInSlices } from './sort-in-slices.ts'

test('it sorts as toSorted does, stable, and yields in between', () => {
  const entries = fc.array(fc.record({ key: fc.nat({ max: 20 }), at: fc.nat() }), { maxLength: 300 })
  fc.assert(
    fc.property(entries, fc.integer({ min: 1, max: 50 }), (items, sliceMax) => {
      const compare = (a: { key: number }, b: { key: number }): number => a.key - b.key
      const slices = sortInSlices(items, compare, sliceMax)
      let turns = 0
      let step = slices.next()
      while (step.done !== true) {
        turns += 1
        step = slices.next()
      }
      expect(step.value).toEqual(items.toSorted(compare))
      expect(turns).toBeGreaterThanOrEqual(items.length > sliceMax ? Math.ceil(items.length / sliceMax) : 0)
    }),
  )
})
