import { expect, test } from 'vitest'
import { RetryBudget } from './retry.budget.ts'
import { nextTarget } from './target.choice.ts'

const targets = (...weights: number[]) => weights.map((weight, i) => ({ name: 'abcdef'[i]!, weight, currentWeight: 0 }))

function picks(of: ReturnType<typeof targets>, count: number, isEligible: (name: string) => boolean = () => true) {
  return Array.from({ length: count }, () => nextTarget(of, ({ name }) => isEligible(name))?.name ?? '-').join('')
}

test('each gets its share, spread evenly', () => {
  expect(picks(targets(5, 1, 1), 14)).toBe('aabacaaaabacaa')
  expect(picks(targets(1, 1, 1), 6)).toBe('abcabc')
})

test('what is not eligible gets none, the others by their weights', () => {
  expect(picks(targets(5, 2, 1), 6, (name) => name !== 'a')).toBe('bcbbcb')
  expect(picks(targets(1, 0), 3)).toBe('aaa')
  expect(picks(targets(1, 1), 2, () => false)).toBe('--')
})

test('retries are a fifth of the requests at most, and ten at once', () => {
  const budget = new RetryBudget()
  let retries = 0
  for (let i = 0; i < 1_000; i++) {
    budget.request()
    while (budget.take()) retries += 1
  }
  expect(retries).toBeGreaterThanOrEqual(200)
  expect(retries).toBeLessThanOrEqual(210)
})
