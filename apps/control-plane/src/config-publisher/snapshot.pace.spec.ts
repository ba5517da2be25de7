import { expect, test } from 'vitest'
import { SnapshotPace } from './snapshot.pace.ts'

const hourMs = 3_600_000

test('whoever waits for a snapshot ends its rest, and there is none until nobody waits', async () => {
  const pace = new SnapshotPace()
  const resting = pace.rest(hourMs)
  pace.hurry()
  await resting
  await pace.rest(hourMs)
  pace.relax()
  const again = pace.rest(hourMs)
  expect(
    await Promise.race([again.then(() => 'rested'), new Promise((resolve) => setImmediate(resolve, 'resting'))]),
  ).toBe('resting')
  pace.hurry()
  await again
})
