import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { SlotIndex } from './slot.index.ts'

test('a slot that is added among many never moves more than a small part of them', () => {
  const slots = 200_000
  const hashes = Uint32Array.from({ length: slots }, (_, slot) =>
    createHash('sha256').update(String(slot)).digest().readUInt32LE(),
  )
  let looked = 0
  const index = new SlotIndex((slot) => {
    looked += 1
    return hashes[slot]!
  })
  let most = 0
  for (let slot = 0; slot < slots; slot++) {
    looked = 0
    index.add(slot, hashes[slot]!)
    most = Math.max(most, looked)
  }
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThan(slots / 100)
})

test('an index with room for what comes does not grow on the way', () => {
  let looked = 0
  const index = new SlotIndex((slot) => {
    looked += 1
    return Math.imul(slot, 0x9e3779b1) >>> 0
  })
  index.reserve(100_000)
  for (let slot = 0; slot < 100_000; slot++) index.add(slot, Math.imul(slot, 0x9e3779b1) >>> 0)
  expect(looked).toBe(0)
})
