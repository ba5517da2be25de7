import type { RouteConfig } from '../model.ts'
import { compileRoute, type CompiledRoute } from './compiled-route.ts'
import type { HeaderLookup } from './header-condition.ts'
import { pathParams } from './path-pattern.ts'
import { applyRewrite } from './path-rewrite.ts'
import { createPathNode, insertRoute, searchPath, type PathNode, type RankedRoute } from './path-tree.ts'
import type { WholeRegex } from './regex.ts'
import { compareRoutes } from './route-order.ts'

export interface RouteMatch {
  readonly route: CompiledRoute
  /** The normalised path that was matched. */
  readonly path: string
}

export class RouteTable {
  /** Enabled routes in their total order. */
  readonly routes: readonly CompiledRoute[]
  readonly #exactHosts = new Map<string, PathNode>()
  /** By what follows the first label. */
  readonly #wildcardHosts = new Map<string, PathNode>()
  /** In order of each tree's lowest rank. */
  readonly #regexHosts: { readonly regex: WholeRegex; readonly tree: PathNode }[] = []
  #anyHost: PathNode | null = null

  constructor(routes: readonly CompiledRoute[]) {
    const ranked = routes.toSorted(compareRoutes).map((route, rank): RankedRoute => ({ ...route, rank }))
    const regexTrees = new Map<string, PathNode>()
    for (const route of ranked) insertRoute(this.#treeFor(route, regexTrees), route)
    this.routes = ranked
  }

  #treeFor(route: RankedRoute, regexTrees: Map<string, PathNode>): PathNode {
    const { host, rank } = route
    switch (host.kind) {
      case 'exact':
        return treeOf(this.#exactHosts, host.host, rank)
      case 'wildcard':
        return treeOf(this.#wildcardHosts, host.suffix, rank)
      case 'regex': {
        const known = regexTrees.get(host.pattern)
        if (known !== undefined) return known
        const tree = treeOf(regexTrees, host.pattern, rank)
        this.#regexHosts.push({ regex: host.regex, tree })
        return tree
      }
      case 'any':
        return (this.#anyHost ??= createPathNode(rank))
    }
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

function treeOf(trees: Map<string, PathNode>, key: string, rank: number): PathNode {
  let tree = trees.get(key)
  if (tree === undefined) trees.set(key, (tree = createPathNode(rank)))
  return tree
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
