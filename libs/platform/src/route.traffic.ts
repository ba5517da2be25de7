import { metricHead, sampleLine } from './prometheus.text.ts'

/** Upper bounds of the histogram in seconds. */
export const durationBounds: readonly number[] = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Routes that are told apart: each is some 15 lines of text. */
export const routesMax = 200

const sumAt = 6
const bucketsAt = 7
const cells = bucketsAt + durationBounds.length + 1

/**
 * Answers and their time, by route and class of status. The first routes with traffic are counted by themselves and all later
 * ones together as `other`, so that the text has a bound however many routes there are; a start begins anew. Counting
 * allocates only where a route is new.
 */
export class RouteTraffic {
  /** Of each route: answers by class at 1 to 5, seconds, then answers by duration. */
  readonly #routes = new Map<string, Float64Array>()
  readonly #other = new Float64Array(cells)

  /** @param route an id, or `none`. A 101 has no duration: what it opens is no answer. */
  count(route: string, status: number, seconds: number): void {
    const counts = this.#routes.get(route) ?? this.#begin(route)
    // An upstream may answer with 999.
    counts[Math.min(Math.floor(status / 100), 5)]! += 1
    if (status === 101) return
    counts[sumAt]! += seconds
    let bucket = 0
    while (bucket < durationBounds.length && seconds > durationBounds[bucket]!) bucket += 1
    counts[bucketsAt + bucket]! += 1
  }

  /** Prometheus text of `<prefix>requests_total` and `<prefix>request_duration_seconds`. */
  text(prefix: string): string {
    const routes = [...this.#routes, ['other', this.#other] as const].filter(([, counts]) => answersOf(counts) > 0)
    const total = `${prefix}requests_total`
    const duration = `${prefix}request_duration_seconds`
    return [
      metricHead('counter', total, 'Exchanges that ended, by route and class of the answer.'),
      ...routes.map(([route, counts]) => answerLines(total, route, counts)),
      metricHead('histogram', duration, 'Time from a request to the end of its answer, by route.'),
      ...routes.map(([route, counts]) => durationLines(duration, route, counts)),
    ].join('')
  }

  #begin(route: string): Float64Array {
    if (this.#routes.size >= routesMax) return this.#other
    const counts = new Float64Array(cells)
    this.#routes.set(route, counts)
    return counts
  }
}

function answersOf(counts: Float64Array): number {
  return counts.subarray(1, sumAt).reduce((sum, count) => sum + count, 0)
}

function answerLines(name: string, route: string, counts: Float64Array): string {
  return [1, 2, 3, 4, 5]
    .filter((statusClass) => counts[statusClass]! > 0)
    .map((statusClass) => sampleLine(name, [{ route, status: `${statusClass}xx` }, counts[statusClass]!]))
    .join('')
}

function durationLines(name: string, route: string, counts: Float64Array): string {
  let sum = 0
  const buckets = [...durationBounds, '+Inf'].map((bound, n) => {
    sum += counts[bucketsAt + n]!
    return sampleLine(`${name}_bucket`, [{ route, le: String(bound) }, sum])
  })
  return [
    ...buckets,
    sampleLine(`${name}_sum`, [{ route }, counts[sumAt]!]),
    sampleLine(`${name}_count`, [{ route }, sum]),
  ].join('')
}
