import { expect, test, vi } from 'vitest'
import { createLogger } from '../logger.ts'
import { backoffMs, throttled, within } from './retry.ts'

test('pauses double from a tenth of a second and stay below seven seconds', () => {
  const pauses = Array.from({ length: 40 }, (_, attempt) => backoffMs(attempt))
  expect(pauses[0]).toBeGreaterThanOrEqual(100)
  expect(pauses[0]).toBeLessThan(126)
  expect(pauses[3]).toBeGreaterThanOrEqual(800)
  expect(Math.max(...pauses)).toBeLessThan(6_251)
  // BullMQ on PostgreSQL stores them as bigint.
  expect(pauses.every(Number.isInteger)).toBe(true)
})

test('an outage is logged once in ten seconds, with the number of errors that were left out', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const lines: Record<string, unknown>[] = []
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>)
  const warn = throttled(createLogger({ name: 't', level: 'info', destination: { write } }), 'warn', 'away')
  for (let second = 0; second < 25; second += 1) {
    warn(new Error(`at ${second}`))
    vi.advanceTimersByTime(1_000)
  }
  vi.useRealTimers()
  expect(lines.map((line) => [line['msg'], line['leftOut']])).toEqual([
    ['away', 0],
    ['away', 9],
    ['away', 9],
  ])
})

test('what takes too long is an error, what fails keeps its own', async () => {
  expect(await within(1_000, Promise.resolve(7), 'late')).toBe(7)
  await expect(within(1_000, Promise.reject(new Error('own')), 'late')).rejects.toThrow('own')
  await expect(within(1, new Promise(() => {}), 'late')).rejects.toThrow('late')
})
