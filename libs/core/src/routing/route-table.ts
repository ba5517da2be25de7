import type { RouteConfig } from '../model.ts'
import { compileRoute, type CompiledRoute } from './compiled-route.ts'
import type { HeaderLookup } from './header-condition.ts'
import { pathParams } from './path-pattern.ts'
import { applyRewrite } from './path-rewrite.ts'
import { createPathTree, searchPath, type PathNode, type RankedRoute } from './path-tree.ts'
import { compileRegex, type WholeRegex } from './regex.ts'
import { compareRoutes } from './route-order.ts'

export interface RouteMatch {
  readonly route: RankedRoute
  /** The normalised path that was matched. */
  readonly path: string
}

export class RouteTable {
  /** Enabled routes in their total order: a route's rank is its index here, by which a caller may keep its own data. */
  readonly routes: readonly RankedRoute[]
  readonly #exactHosts: ReadonlyMap<string, PathNode>
  /** By what follows the first label. */
  readonly #wildcardHosts: ReadonlyMap<string, PathNode>
  /** In order of each tree's lowest rank. */
  readonly #regexHosts: readonly { readonly regex: WholeRegex; readonly tree: PathNode }[]
  readonly #anyHost: PathNode | null

  constructor(routes: readonly CompiledRoute[]) {
    this.routes = routes.toSorted(compareRoutes).map((route, rank) => ({ ...route, rank }))
    this.#exactHosts = treesBy(this.routes, ({ host }) => (host.kind === 'exact' ? host.host : null))
    this.#wildcardHosts = treesBy(this.routes, ({ host }) => (host.kind === 'wildcard' ? host.suffix : null))
    const regexTrees = treesBy(this.routes, ({ host }) => (host.kind === 'regex' ? host.pattern : null))
    this.#regexHosts = [...regexTrees].map(([pattern, tree]) => ({ regex: compileRegex(pattern), tree }))
    this.#anyHost = treesBy(this.routes, ({ host }) => (host.kind === 'any' ? '' : null)).get('') ?? null
  }

  /**
   * The route that serves a request, null = none. `host` and `path` as `normalizeHost` and `normalizeTarget` gave them;
   * `method` upper-case, as sent.
   */
  match(host: string, path: string, method: string, header: HeaderLookup): RouteMatch | null {
    let best: RankedRoute | null = null
    const exact = this.#exactHosts.get(host)
    if (exact !== undefined) best = searchPath(exact, path, 1, method, header, best)
    if (this.#wildcardHosts.size > 0) {
      const dot = host.indexOf('.')
      const wildcard = dot > 0 ? this.#wildcardHosts.get(host.slice(dot + 1)) : undefined
      if (wildcard !== undefined) best = searchPath(wildcard, path, 1, method, header, best)
    }
    for (const { regex, tree } of this.#regexHosts) {
      if (best !== null && best.rank < tree.rankMin) break
      if (regex.test(host)) best = searchPath(tree, path, 1, method, header, best)
    }
    if (this.#anyHost !== null) best = searchPath(this.#anyHost, path, 1, method, header, best)
    return best === null ? null : { route: best, path }
  }
}

/** One tree for each key, in order of their lowest ranks; routes without a key (null) are in none. */
function treesBy(
  ranked: readonly RankedRoute[],
  keyOf: (route: RankedRoute) => string | null,
): ReadonlyMap<string, PathNode> {
  const routesByKey = new Map<string, RankedRoute[]>()
  for (const route of ranked) {
    const key = keyOf(route)
    if (key === null) continue
    const routes = routesByKey.get(key)
    if (routes === undefined) routesByKey.set(key, [route])
    else routes.push(route)
  }
  return new Map([...routesByKey].map(([key, routes]) => [key, createPathTree(routes)]))
}

/**
 * The table of all enabled routes; disabled ones are not looked at.
 * @throws RouteCompileError for the first route that does not compile; no table then, so that the caller keeps its own.
 */
export function compileRoutes(routes: readonly RouteConfig[]): RouteTable {
  return new RouteTable(routes.filter((route) => route.enabled).map(compileRoute))
}

/** Text of each `{name}` of the route's pattern, percent-encoded as in the path. */
export function routeParams(match: RouteMatch): Record<string, string> {
  return pathParams(match.route.path, match.path)
}

/**
 * The path to ask the upstream for: `path_rewrite` with the matched parts put in, or the matched path. Starts with `/`.
 * Null = answer 400: the parts put together form a dot segment (see `applyRewrite`).
 */
export function rewritePath(match: RouteMatch): string | null {
  const { rewrite, path } = match.route
  return rewrite === null ? match.path : applyRewrite(rewrite, path, match.path)
}
