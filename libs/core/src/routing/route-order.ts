import type { CompiledRoute } from './compiled-route.ts'

const hostRank = { exact: 0, wildcard: 1, regex: 2, any: 3 }
const pathRank = { exact: 0, prefix: 1, regex: 2 }

/**
 * The total order of routes that match the same request: the smaller one wins. Priority (high first) → host kind (exact,
 * wildcard, regex, none) → path kind (exact, prefix, regex) → longer path pattern → more header conditions → methods
 * given → older → id.
 *
 * "Longer" counts what the pattern fixes: `/api/v1`, `/api/v1/` and `/api/v1/*` are one pattern and equally long, and a
 * `{name}` counts nothing, so that `/users/me` wins over `/users/{identifier}`. Of a regex every character counts.
 */
export function compareRoutes(a: CompiledRoute, b: CompiledRoute): number {
  return (
    b.config.priority - a.config.priority ||
    hostRank[a.host.kind] - hostRank[b.host.kind] ||
    pathRank[a.path.kind] - pathRank[b.path.kind] ||
    b.path.literalChars - a.path.literalChars ||
    b.headers.length - a.headers.length ||
    Number(b.config.methods.length > 0) - Number(a.config.methods.length > 0) ||
    a.config.createdAtMs - b.config.createdAtMs ||
    (a.config.id < b.config.id ? -1 : Number(a.config.id > b.config.id))
  )
}
