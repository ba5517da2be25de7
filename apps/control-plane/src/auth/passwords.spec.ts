import { afterAll, expect, test, vi } from 'vitest'

const hashing = vi.hoisted(() => ({ running: 0, runningMax: 0, finish: [] as (() => void)[] }))
vi.mock(import('./password.hash.ts'), async (original) => ({
  ...(await original()),
  hashPassword: async (password: string) => {
    hashing.runningMax = Math.max(hashing.runningMax, ++hashing.running)
    await new Promise<void>((resolve) => hashing.finish.push(resolve))
    hashing.running--
    if (password === 'fails') throw new Error('out of memory')
    return `hash of ${password}`
  },
}))
// The module as other files have it, before and after, knows nothing of this.
vi.resetModules()
const { Passwords } = await import('./passwords.ts')
afterAll(() => void vi.resetModules())

test('two are hashed at once, a hundred wait in the order in which they came, the rest is told to come back', async () => {
  const passwords = new Passwords()
  const answers = Array.from({ length: 110 }, (_, n) => passwords.hash(n === 3 ? 'fails' : String(n)))
  const settled = Promise.allSettled(answers)
  await expect(answers[102]).rejects.toMatchObject({ status: 503, headers: { 'retry-after': '5' } })
  for (let done = 0; done < 102; done++) {
    await vi.waitFor(() => expect(hashing.finish.length).toBeGreaterThan(done), { interval: 1 })
    hashing.finish[done]?.()
  }
  const results = await settled
  expect(hashing.runningMax).toBe(2)
  expect(results.slice(0, 5)).toMatchObject([
    { value: 'hash of 0' },
    { value: 'hash of 1' },
    { value: 'hash of 2' },
    { status: 'rejected', reason: { message: 'out of memory' } },
    { value: 'hash of 4' },
  ])
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1 + 8)

  const later = passwords.hash('later')
  await vi.waitFor(() => expect(hashing.finish).toHaveLength(103), { interval: 1 })
  hashing.finish.at(-1)?.()
  expect(await later).toBe('hash of later')
})
