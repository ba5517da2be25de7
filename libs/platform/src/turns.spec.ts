import { expect, test } from 'vitest'
import { mapInTurns } from './turns.ts'

test('a long list is mapped in order, and others have their turns in between', async () => {
  let turns = 0
  const count = (): void => {
    turns += 1
    if (turns < 1_000) setImmediate(count)
  }
  setImmediate(count)
  const turnOf: number[] = []
  const doubled = await mapInTurns([1, 2, 3, 4, 5], 2, (item, index) => {
    turnOf[index] = turns
    return item * 2
  })
  turns = 1_000
  expect(doubled).toEqual([2, 4, 6, 8, 10])
  const [a = -1, b, c = -1, d, e = -1] = turnOf
  expect([b, d]).toEqual([a, c])
  expect(a < c && c < e).toBe(true)
  expect(await mapInTurns([], 2, String)).toEqual([])
})
