import { ApiError } from '@apigate/errors'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { WriteQueue } from './write.queue.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A piece of work that ends when it is told to. */
function piece(name: string, log: string[]) {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const work = (): Promise<string> => {
    log.push(name)
    return promise
  }
  return { work, end: () => resolve(name), fail: () => reject(new Error(name)) }
}

test('so many work at a time, and the others in the order in which they came', async () => {
  const queue = new WriteQueue(2, 1_000)
  const log: string[] = []
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => piece(name, log)) as [Piece, Piece, Piece, Piece]
  const done = [a, b, c, d].map(({ work }) => queue.run(work))
  expect(log).toEqual(['a', 'b'])
  b.end()
  expect(await done[1]).toBe('b')
  await vi.waitFor(() => expect(log).toEqual(['a', 'b', 'c']))
  // One that fails makes room like any other.
  a.fail()
  await expect(done[0]).rejects.toThrow('a')
  await vi.waitFor(() => expect(log).toEqual(['a', 'b', 'c', 'd']))
  c.end()
  d.end()
  expect(await Promise.all(done.slice(2))).toEqual(['c', 'd'])
  // All have left: there is room again for two.
  const more = [piece('e', log), piece('f', log)]
  const last = more.map(({ work }) => queue.run(work))
  expect(log.slice(4)).toEqual(['e', 'f'])
  for (const { end } of more) end()
  await Promise.all(last)
})

type Piece = ReturnType<typeof piece>

test('whose turn does not come is told so, and is not worked on later', async () => {
  const queue = new WriteQueue(1, 1_000)
  const log: string[] = []
  const first = piece('first', log)
  const done = queue.run(first.work)
  const late = queue.run(piece('late', log).work).catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await late).toBeInstanceOf(ApiError)
  expect(await late).toMatchObject({ status: 503, headers: { 'retry-after': '5' } })
  first.end()
  await done
  const next = piece('next', log)
  const after = queue.run(next.work)
  expect(log).toEqual(['first', 'next'])
  next.end()
  await after
})
