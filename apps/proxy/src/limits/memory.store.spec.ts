import type { LimitCall } from '@apigate/contracts'
import { waitFor } from '@apigate/testing'
import { expect, test } from 'vitest'
import { MemoryLimitStore } from './memory.store.ts'

const call = (take: number, limit = 100): LimitCall => ({
  ownerId: 'usr_1',
  key: null,
  quota: { period: '2026-11', ask: { limit, give: 0, take, ahead: 0 } },
})

test('a month begins with what the ledger has, and nothing is given before that is known', async () => {
  const answer = Promise.withResolvers<number[]>()
  const asked: unknown[] = []
  const store = new MemoryLimitStore((periods) => {
    asked.push(...periods)
    return answer.promise
  })
  expect(store.exchange(call(1)).quota).toBeNull()
  expect(store.exchange(call(1)).quota).toBeNull()
  expect(asked).toEqual([{ ownerId: 'usr_1', period: '2026-11' }])
  answer.resolve([98])
  const granted = await waitFor(() => store.exchange(call(1)).quota)
  expect(granted.grant).toMatchObject({ taken: 1, count: 99 })
  expect(store.exchange(call(5)).quota?.grant).toMatchObject({ taken: 1, count: 100 })
})

test('a ledger that cannot be read is asked again', async () => {
  let nowMs = 0
  let isAway = true
  const store = new MemoryLimitStore(
    () => (isAway ? Promise.reject(new Error('away')) : [7]),
    undefined,
    () => nowMs,
  )
  expect(store.exchange(call(0)).quota).toBeNull()
  await Promise.resolve()
  isAway = false
  expect(store.exchange(call(0)).quota, 'not at once').toBeNull()
  nowMs = 1_000
  expect(store.exchange(call(0)).quota?.grant.count).toBe(7)
})

test('what the ledger has from elsewhere raises the count, what it has not yet does not lower it', () => {
  let nowMs = 0
  let ledger = 10
  const store = new MemoryLimitStore(
    () => [ledger],
    undefined,
    () => nowMs,
  )
  const count = (take: number): number | undefined => store.exchange(call(take)).quota?.grant.count
  expect(count(5)).toBe(15)
  nowMs = 1_000
  expect(count(0)).toBe(15)
  ledger = 40
  nowMs = 11_000
  expect(count(0)).toBe(40)
})
