import type { LimitCall, LimitReply, LimitStore } from '@apigate/contracts'
import { createLogger } from '@apigate/platform'
import { aPlan, waitFor } from '@apigate/testing'
import { expect, test } from 'vitest'
import { memoryStore } from '../../test/limits.fixture.ts'
import type { Owner } from '../tables/owner.table.ts'
import { LeasedLimits } from './leased.limits.ts'

const log = createLogger({ name: 'test', level: 'silent' })
const owner: Owner = { kind: 'user', id: 'usr_1', status: 'active', planId: 'plan_1' }
const receivedAtMs = Date.UTC(2026, 10, 15)

let nowMs = 1_000
let isAway = false

/** One store for three workers, which goes away and comes back. */
class SharedStore implements LimitStore {
  readonly #inner = memoryStore(() => nowMs)

  exchange(call: LimitCall): Promise<LimitReply> {
    return isAway ? Promise.reject(new Error('away')) : Promise.resolve(this.#inner.exchange(call))
  }

  ping(): Promise<void> {
    return isAway ? Promise.reject(new Error('away')) : Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

interface Outcome {
  /** Requests that had a token, and units that were used. */
  admitted: number
  units: number
  seconds: number
}

/** Three workers that are asked for far more than the plan allows; each phase is seconds with or without the store. */
async function drive(phases: readonly { away: boolean; seconds: number }[], unitsMax: number): Promise<Outcome> {
  const store = new SharedStore()
  const workers = [0, 1, 2].map(
    () => new LeasedLimits({ store, fallback: 'local', workers: () => 3, log, nowMs: () => nowMs }),
  )
  const plan = aPlan({ rateLimitPerMinute: 600, burst: 30 })
  const metered = aPlan({ rateLimitPerMinute: 0, requestsPerMonth: unitsMax })
  const outcome: Outcome = { admitted: 0, units: 0, seconds: 0 }
  for (const { away, seconds } of phases) {
    isAway = away
    if (!away) await waitFor(() => workers.every(({ breaker }) => !breaker.isAway))
    for (let step = 0; step < seconds * 25; step++) {
      nowMs += 40
      const asked = workers.map(async (limits) => {
        if (step % 12 === 0) limits.tick()
        if ((await limits.takeToken({ owner, plan, keyId: 'key_1', receivedAtMs })).admitted) outcome.admitted += 1
        const reservation = await limits.reserve({ owner, plan: metered, keyId: 'key_1', receivedAtMs })
        if (!reservation.admitted) return
        limits.settle(reservation, 1)
        outcome.units += 1
      })
      await Promise.all(asked)
    }
    outcome.seconds += seconds
  }
  isAway = false
  await Promise.all(workers.map((limits) => limits.close()))
  return outcome
}

test.each([
  ['at once', [true, false]],
  ['when the bucket is in use', [false, true, false]],
] as const)('an outage lets no more through than one bucket beyond what the shared one would: %s', async (_, order) => {
  const { admitted, units, seconds } = await drive(
    order.map((away) => ({ away, seconds: 4 })),
    400,
  )
  const allowed = 30 + 10 * seconds
  expect(admitted).toBeLessThanOrEqual(allowed + 30)
  expect(admitted).toBeGreaterThan(0.9 * allowed)
  // Workers divide what they knew to be left: what others took since is not in it.
  expect(units).toBeLessThanOrEqual(1.05 * 400)
  expect(units).toBeGreaterThan(300)
})
