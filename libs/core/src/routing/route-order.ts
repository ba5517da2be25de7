import type { CompiledRoute } from './compiled-route.ts'

const hostRank = { exact: 0, wildcard: 1, regex: 2, any: 3 }
const pathRank = { exact: 0, prefix: 1, regex: 2 }

/** What decides between two routes that match the same request, the first first. */
export type OrderCriterion =
  | 'priority'
  | 'host kind'
  | 'path kind'
  | 'path pattern length'
  | 'header conditions'
  | 'methods'
  | 'age'
  | 'id'

const criteria: readonly (readonly [OrderCriterion, (a: CompiledRoute, b: CompiledRoute) => number])[] = [
  ['priority', (a, b) => b.config.priority - a.config.priority],
  ['host kind', (a, b) => hostRank[a.host.kind] - hostRank[b.host.kind]],
  ['path kind', (a, b) => pathRank[a.path.kind] - pathRank[b.path.kind]],
  ['path pattern length', (a, b) => b.path.literalChars - a.path.literalChars],
  ['header conditions', (a, b) => b.headers.length - a.headers.length],
  ['methods', (a, b) => Number(b.config.methods.length > 0) - Number(a.config.methods.length > 0)],
  ['age', (a, b) => a.config.createdAtMs - b.config.createdAtMs],
  ['id', (a, b) => (a.config.id < b.config.id ? -1 : Number(a.config.id > b.config.id))],
]

/**
 * The total order of routes that match the same request: the smaller one wins. Priority (high first) → host kind (exact,
 * wildcard, regex, none) → path kind (exact, prefix, regex) → longer path pattern → more header conditions → methods
 * given → older → id.
 *
 * "Longer" counts what the pattern fixes: `/api/v1`, `/api/v1/` and `/api/v1/*` are one pattern and equally long, and a
 * `{name}` counts nothing, so that `/users/me` wins over `/users/{identifier}`. Of a regex every character counts.
 */
export function compareRoutes(a: CompiledRoute, b: CompiledRoute): number {
  for (const [, compare] of criteria) {
    const order = compare(a, b)
    if (order !== 0) return order
  }
  return 0
}

/** By what `winner` comes before `other`; null for one and the same route. */
export function decidedBy(winner: CompiledRoute, other: CompiledRoute): OrderCriterion | null {
  return criteria.find(([, compare]) => compare(winner, other) !== 0)?.[0] ?? null
}
