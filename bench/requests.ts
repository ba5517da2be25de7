import { createHash } from 'node:crypto'

/** What is asked for; the upstream goes by the end of the path. */
export const scenarios = {
  'get-1k': { title: 'GET, 1 KB answer', method: 'GET', item: 'small', bodyBytes: 0 },
  'post-1k': { title: 'POST of 1 KB, 1 KB answer', method: 'POST', item: 'small', bodyBytes: 1_024 },
  'get-64k': { title: 'GET, 64 KB answer', method: 'GET', item: 'large', bodyBytes: 0 },
} as const

export type Scenario = keyof typeof scenarios

/** How much configuration the worker has. */
export interface Scale {
  routes: number
  /** Two of each user. */
  keys: number
  /** Keys that the load uses, evenly over the table. */
  keysUsed: number
}

/** The clear text of the n-th key, which the database of the benchmark computes as well. */
export function clearKey(n: number): string {
  return `ak_${createHash('sha256').update(`bench:${n}`).digest('hex')}`
}

/** The requests of a load, as bytes: every key in turn, each with another route. */
export function requestsOf(scenario: Scenario, { routes, keys, keysUsed }: Scale): Buffer[] {
  const { method, item, bodyBytes } = scenarios[scenario]
  const body = bodyBytes === 0 ? '' : `Content-Type: application/octet-stream\r\nContent-Length: ${bodyBytes}\r\n`
  const used = Math.min(keys, keysUsed)
  return Array.from({ length: used }, (_, n) => {
    const key = clearKey(Math.floor((n * keys) / used))
    // 7,919 is a prime: neighbours among the keys are none among the routes.
    const line = `${method} /api/service-${(n * 7_919) % routes}/items/${item} HTTP/1.1\r\n`
    return Buffer.from(`${line}Host: bench.test\r\nX-API-Key: ${key}\r\n${body}\r\n${'x'.repeat(bodyBytes)}`)
  })
}
