import { expect, test } from 'vitest'
import { TargetHealth } from './target.health.ts'

function aHealth(options = { unhealthyAfter: 2, healthyAfter: 3 }) {
  const health = new TargetHealth(options)
  const changes: boolean[] = []
  health.onChange = () => changes.push(health.isHealthy)
  return { health, changes }
}

function fail(health: TargetHealth, times: number, nowMs = 0): void {
  for (let i = 0; i < times; i++) {
    health.begin(nowMs)
    health.failed(nowMs)
  }
}

test('five failures in a row eject it, fewer between successes do not', () => {
  const { health, changes } = aHealth()
  for (let round = 0; round < 3; round++) {
    fail(health, 4)
    health.succeeded()
  }
  expect(changes).toEqual([])
  fail(health, 5)
  expect(changes).toEqual([false])
  expect(health.reason).toBe('ejected')
  expect(health.isAvailable(999)).toBe(false)
})

test('when its time is up one request tries; others wait for what comes of it', () => {
  const { health, changes } = aHealth()
  fail(health, 5)
  expect(health.isAvailable(1_000)).toBe(true)
  health.begin(1_000)
  expect(health.isAvailable(1_000)).toBe(false)
  health.succeeded()
  expect(changes).toEqual([false, true])
  expect(health.isAvailable(1_000)).toBe(true)
})

test('a trial that comes to no end keeps the others away for a second', () => {
  const { health } = aHealth()
  fail(health, 5)
  health.begin(1_500)
  expect(health.isAvailable(2_499)).toBe(false)
  expect(health.isAvailable(2_500)).toBe(true)
  health.begin(2_500)
  health.succeeded()
  expect(health.isHealthy).toBe(true)
  health.abandoned()
  expect(health.isHealthy).toBe(true)
})

test('a trial that fails ejects it for twice as long, up to a minute', () => {
  const { health } = aHealth()
  fail(health, 5)
  let nowMs = 0
  for (const ms of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
    expect(health.isAvailable(nowMs + ms - 1)).toBe(false)
    nowMs += ms
    expect(health.isAvailable(nowMs)).toBe(true)
    fail(health, 1, nowMs)
  }
})

test('requests that were under way when it was ejected neither lengthen that nor end the trial of another', () => {
  const { health } = aHealth()
  for (let i = 0; i < 9; i++) health.begin(0)
  for (let i = 0; i < 9; i++) health.failed(0)
  expect(health.isAvailable(1_000)).toBe(true)
})

test('a trial whose client goes away leaves the next one to try', () => {
  const { health } = aHealth()
  fail(health, 5)
  health.begin(1_000)
  health.abandoned()
  expect(health.isAvailable(1_000)).toBe(true)
})

test('checks decide after so many in a row, and a request cannot overrule them', () => {
  const { health, changes } = aHealth()
  for (const isGood of [false, true, false, true]) health.checked(isGood)
  expect(changes).toEqual([])
  health.checked(false)
  health.checked(false)
  expect(health.reason).toBe('unhealthy')
  health.succeeded()
  expect(health.isAvailable(1e9)).toBe(false)
  for (const isGood of [true, true, false, true, true]) health.checked(isGood)
  expect(changes).toEqual([false])
  health.checked(true)
  expect(changes).toEqual([false, true])
})

test('checks that pass end an ejection', () => {
  const { health } = aHealth({ unhealthyAfter: 1, healthyAfter: 1 })
  fail(health, 5)
  health.checked(false)
  health.checked(true)
  expect(health.isAvailable(0)).toBe(true)
})
