/**
 * From a request line to a route and to the upstream's path.
 *
 * Algorithm: routes are sorted once into their total order (`route-order.ts`) and each gets its rank there. The index is
 * a map from host to a tree of path segments (`path-tree.ts`); a search walks the tree with the request's segments,
 * keeps the lowest rank whose method and headers match, and skips every branch and host whose lowest rank is higher.
 * Regex routes hang below the literal segments that they begin with and are tried last. Captures are taken only when
 * asked for, of the winner only.
 *
 * Bounds: a search costs the request's segments, times the `{name}` branches beside literal ones, plus the routes that
 * share one pattern, plus the regexes below the visited nodes; it does not grow with the number of routes. Regexes are
 * RE2: linear in the input, 2,048 characters and 1,000 program steps at most.
 *
 * Failure: a request that cannot be normalised has no path (400). A route that does not compile is named with every
 * problem it has, and no table is made.
 */
export { routeProblems, RouteCompileError, type CompiledRoute, type RouteProblem } from './compiled-route.ts'
export { explainRoutes, type RouteMiss, type RouteVerdict } from './explain-routes.ts'
export type { HeaderLookup } from './header-condition.ts'
export { normalizeHost } from './host.ts'
export { normalizeTarget, type NormalizedTarget } from './request-target.ts'
export type { RankedRoute } from './path-tree.ts'
export {
  compileRoutes,
  compileRoutesInSlices,
  rewritePath,
  routeParams,
  type RouteMatch,
  type RouteTable,
} from './route-table.ts'
export type { OrderCriterion } from './route-order.ts'
export { sameRequests } from './same-requests.ts'
export { joinUpstreamPath } from './upstream-path.ts'
