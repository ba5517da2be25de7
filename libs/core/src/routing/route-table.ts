import type { RouteConfig } from '../model.ts'
import { compileRoute, type CompiledRoute } from './compiled-route.ts'
import type { HeaderLookup } from './header-condition.ts'
import { pathParams } from './path-pattern.ts'
import { applyRewrite } from './path-rewrite.ts'
import type { HostPattern } from './host-pattern.ts'
import { createPathNode, insertRoute, joinChains, searchPath, type PathNode, type RankedRoute } from './path-tree.ts'
import { compileRegex, type WholeRegex } from './regex.ts'
import { compareRoutes } from './route-order.ts'
import { mergeInSlices, sortInSlices } from './sort-in-slices.ts'

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

  /** @param trees by host, of all these routes */
  constructor(routes: readonly RankedRoute[], trees: HostTrees) {
    this.routes = routes
    this.#exactHosts = trees.exact
    this.#wildcardHosts = trees.wildcard
    this.#regexHosts = [...trees.regex].map(([pattern, tree]) => ({ regex: compileRegex(pattern), tree }))
    this.#anyHost = trees.any.get('') ?? null
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

/** One tree for each host, in order of their lowest ranks. */
type HostTrees = Record<HostPattern['kind'], Map<string, PathNode>>

function hostKey(host: HostPattern): string {
  switch (host.kind) {
    case 'exact':
      return host.host
    case 'wildcard':
      return host.suffix
    case 'regex':
      return host.pattern
    case 'any':
      return ''
  }
}

/** Routes between two yields: some milliseconds. */
const sliceRoutes = 500
/** A regex takes as long to compile as so many routes without, a transform as so many. */
const regexRoutes = 25
const transformRoutes = 5

function workOf({ hostMatch, pathMatch, headers, requestTransform, responseTransform }: RouteConfig): number {
  const regexes =
    Number(hostMatch === 'regex') +
    Number(pathMatch === 'regex') +
    headers.filter(({ match }) => match === 'regex').length
  const transforms = Number(requestTransform !== null) + Number(responseTransform !== null)
  return 1 + regexes * regexRoutes + transforms * transformRoutes
}

/** What is compiled and in order already of the routes that are wanted, and the others. */
function* splitInSlices(
  routes: Iterable<RouteConfig>,
  before: RouteTable | null,
): Generator<undefined, { kept: CompiledRoute[]; others: Set<RouteConfig> }, undefined> {
  const others = new Set<RouteConfig>()
  let seen = 0
  for (const route of routes) {
    if (route.enabled) others.add(route)
    if (++seen % (sliceRoutes * 8) === 0) yield
  }
  const kept: CompiledRoute[] = []
  for (const route of before?.routes ?? []) {
    if (others.delete(route.config)) kept.push(route)
    if (++seen % (sliceRoutes * 8) === 0) yield
  }
  return { kept, others }
}

/**
 * The table of all enabled routes; disabled ones are not looked at. Yields every few milliseconds, so that a caller with
 * other work can do some of it in between.
 *
 * @param before a table of some of the very same objects, which need not be compiled and sorted again
 * @throws RouteCompileError for the first route that does not compile; no table then, so that the caller keeps its own.
 */
export function* compileRoutesInSlices(
  routes: Iterable<RouteConfig>,
  before: RouteTable | null = null,
): Generator<undefined, RouteTable, undefined> {
  const { kept, others } = yield* splitInSlices(routes, before)
  const compiled: CompiledRoute[] = []
  let work = 0
  for (const route of others) {
    work += workOf(route)
    if (work > sliceRoutes && compiled.length > 0) {
      yield
      work = workOf(route)
    }
    compiled.push(compileRoute(route))
  }
  const fresh = yield* sortInSlices(compiled, compareRoutes, sliceRoutes * 4)
  const sorted = yield* mergeInSlices(kept, fresh, compareRoutes, sliceRoutes * 4)
  const ranked: RankedRoute[] = []
  const trees: HostTrees = { exact: new Map(), wildcard: new Map(), regex: new Map(), any: new Map() }
  for (const [rank, route] of sorted.entries()) {
    const rankedRoute = { ...route, rank }
    ranked.push(rankedRoute)
    const ofKind = trees[route.host.kind]
    const key = hostKey(route.host)
    let tree = ofKind.get(key)
    if (tree === undefined) ofKind.set(key, (tree = createPathNode(rank)))
    insertRoute(tree, rankedRoute)
    if (rank % sliceRoutes === sliceRoutes - 1) yield
  }
  let joined = 0
  for (const ofKind of Object.values(trees)) {
    for (const tree of ofKind.values()) {
      yield* joinChains(tree, sliceRoutes * 4)
      joined += 1
      if (joined % sliceRoutes === 0) yield
    }
  }
  return new RouteTable(ranked, trees)
}

/** The same at once. */
export function compileRoutes(routes: readonly RouteConfig[]): RouteTable {
  const slices = compileRoutesInSlices(routes)
  for (;;) {
    const { done, value } = slices.next()
    if (done === true) return value
  }
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
