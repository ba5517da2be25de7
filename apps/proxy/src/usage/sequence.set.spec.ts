import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SequenceSet } from './sequence.set.ts'

const step = fc.oneof(
  fc.record({ kind: fc.constant('append' as const), skip: fc.nat({ max: 3 }), count: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant('remove' as const), first: fc.nat({ max: 100 }), length: fc.nat({ max: 30 }) }),
)

test('agrees with a plain set of numbers after any appends and removals', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.nat({ max: 120 }), (steps, probe) => {
      const model = new Set<number>()
      const set = new SequenceSet()
      let next = 1
      for (const each of steps) {
        if (each.kind === 'append') {
          next += each.skip
          set.append(next, next + each.count - 1)
          for (let n = 0; n < each.count; n += 1) model.add(next++)
        } else {
          set.remove(each.first, each.first + each.length)
          for (let n = 0; n <= each.length; n += 1) model.delete(each.first + n)
        }
      }
      const first = [...model].toSorted((a, b) => a - b).find((seq) => seq >= probe)
      let last = first
      while (last !== undefined && model.has(last + 1)) last += 1
      expect(set.size).toBe(model.size)
      expect(set.runFrom(probe)).toEqual(first === undefined ? null : { first, last })
      expect(set.intersects(probe, probe + 5)).toBe(first !== undefined && first <= probe + 5)
    }),
  )
})
