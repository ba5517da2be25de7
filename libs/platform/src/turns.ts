import { setImmediate } from 'node:timers/promises'

/**
 * `items.map(map)` for lists of any length: after so many items the event loop has a turn for everything else that waits.
 *
 * @throws what `map` throws; it is not called for later items then.
 */
export async function mapInTurns<T, R>(
  items: readonly T[],
  perTurn: number,
  map: (item: T, index: number) => R,
): Promise<R[]> {
  const results: R[] = []
  for (let from = 0; from < items.length; from += perTurn) {
    if (from > 0) await setImmediate()
    for (const item of items.slice(from, from + perTurn)) results.push(map(item, results.length))
  }
  return results
}
