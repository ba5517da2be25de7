import fc from 'fast-check'
import { expect, test } from 'vitest'
import { OwnerTable, type Owner } from './owner.table.ts'

const owner = fc.record({
  kind: fc.constantFrom('user', 'group'),
  // Longer than a cell of the table, too.
  id: fc.integer({ min: 0, max: 60 }).map((n) => `usr_${'x'.repeat(n)}`),
  status: fc.constantFrom('active', 'pending', 'suspended', 'cancelled'),
  planId: fc.constantFrom('plan_a', 'plan_b', 'plan_c'),
}) satisfies fc.Arbitrary<Owner>

test('behaves like a map under any sequence of puts and deletions', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), owner), { maxLength: 100 }), (steps) => {
      const table = new OwnerTable()
      const model = new Map<string, Owner>()
      for (const [isPut, one] of steps) {
        if (isPut) {
          table.put(one)
          model.set(one.id, one)
        } else {
          table.delete(one.id)
          model.delete(one.id)
        }
        // In between too: what was looked up is kept for a while.
        for (const [id, each] of model) expect(table.at(table.placeOf(id))).toEqual(each)
      }
      expect(table.size).toBe(model.size)
      for (const [id, one] of model) expect(table.at(table.placeOf(id))).toEqual(one)
      for (const [, { id }] of steps) expect(table.placeOf(id) !== -1).toBe(model.has(id))
    }),
  )
})

test('a key that names a deleted owner finds nobody, also when one of that id comes again', () => {
  const table = new OwnerTable()
  const user: Owner = { kind: 'user', id: 'usr_a', status: 'active', planId: 'plan_a' }
  table.put(user)
  const place = table.placeOf('usr_a')
  table.delete('usr_a')
  table.put(user)
  expect(table.at(place)).toBeNull()
  expect(table.at(table.placeOf('usr_a'))).toEqual(user)
  expect(table.at(0xffffffff)).toBeNull()
})

test('looks for what no id can be, and refuses to store it', () => {
  const table = new OwnerTable()
  table.put({ kind: 'user', id: 'usr_A', status: 'active', planId: 'plan_a' })
  // U+0141 ends in the byte of an A.
  for (const id of ['usr_\u0141', '', 'usr_A ', 'x'.repeat(300)]) {
    expect(table.placeOf(id)).toBe(-1)
    expect(() => table.put({ kind: 'user', id, status: 'active', planId: 'plan_a' })).toThrow('not usable')
  }
  expect(table.size).toBe(1)
})

test('a status that this version does not know is not active', () => {
  const table = new OwnerTable()
  table.put({ kind: 'user', id: 'usr_a', status: 'frozen' as Owner['status'], planId: 'plan_a' })
  expect(table.at(0)?.status).toBe('suspended')
})
