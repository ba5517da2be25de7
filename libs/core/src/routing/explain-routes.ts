import { headerMatches, type HeaderLookup } from './header-condition.ts'
import type { HostPattern } from './host-pattern.ts'
import { anySegment, type PathPattern, type SegmentPattern } from './path-pattern.ts'
import type { RankedRoute } from './path-tree.ts'
import { decidedBy, type OrderCriterion } from './route-order.ts'
import type { RouteTable } from './route-table.ts'

/** A part of a request that a route does not take. */
export type RouteMiss = { part: 'host' | 'path' | 'method' } | { part: 'header'; name: string }

/** What became of a route that did not serve the request. */
export interface RouteVerdict {
  readonly route: RankedRoute
  /** Empty: the route matches as well. */
  readonly misses: readonly RouteMiss[]
  /** Of a route that matches: what the winner is ahead by. */
  readonly lostBy: OrderCriterion | null
}

/** Routes looked at between two turns of the caller. */
const sliceRoutes = 500

/**
 * Why each near miss did not win: routes that match and come later in the order, then those that miss by little. A route
 * of another host and another path is not near. Looks at every route one by one, without the index, so it also tells
 * whether the index is right; it hands over after every few hundred, so that a caller can let others run.
 *
 * @param max how many verdicts are kept, nearest first.
 */
export function* explainRoutes(
  table: RouteTable,
  host: string,
  path: string,
  method: string,
  header: HeaderLookup,
  max: number,
): Generator<void, { winner: RankedRoute | null; verdicts: RouteVerdict[] }> {
  let winner: RankedRoute | null = null
  let nearest: RouteVerdict[] = []
  for (const route of table.routes) {
    if (route.rank % sliceRoutes === sliceRoutes - 1) {
      nearest = nearestOf(nearest, max)
      yield
    }
    const misses = missesOf(route, host, path, method, header)
    if (misses.length === 0 && winner === null) winner = route
    else if (isNear(misses)) {
      nearest.push({ route, misses, lostBy: winner && misses.length === 0 ? decidedBy(winner, route) : null })
    }
  }
  return { winner, verdicts: nearestOf(nearest, max) }
}

function isNear(misses: readonly RouteMiss[]): boolean {
  return !(misses[0]?.part === 'host' && misses[1]?.part === 'path')
}

/** Routes come in order of rank, which a stable sort keeps. */
function nearestOf(verdicts: readonly RouteVerdict[], max: number): RouteVerdict[] {
  return verdicts.toSorted((a, b) => a.misses.length - b.misses.length).slice(0, max)
}

function missesOf(
  route: RankedRoute,
  host: string,
  path: string,
  method: string,
  header: HeaderLookup,
): readonly RouteMiss[] {
  const misses: RouteMiss[] = []
  if (!hostMatches(route.host, host)) misses.push({ part: 'host' })
  if (!pathMatches(route.path, path)) misses.push({ part: 'path' })
  const { methods } = route.config
  if (methods.length > 0 && !methods.includes(method)) misses.push({ part: 'method' })
  for (const condition of route.headers) {
    if (!headerMatches(condition, header)) misses.push({ part: 'header', name: condition.name })
  }
  return misses
}

function hostMatches(pattern: HostPattern, host: string): boolean {
  switch (pattern.kind) {
    case 'any':
      return true
    case 'exact':
      return host === pattern.host
    case 'wildcard': {
      const dot = host.indexOf('.')
      return dot > 0 && host.slice(dot + 1) === pattern.suffix
    }
    case 'regex':
      return pattern.regex.test(host)
  }
}

function pathMatches(pattern: PathPattern, path: string): boolean {
  return pattern.kind === 'regex' ? pattern.regex.test(path) : segmentsMatch(pattern, path.slice(1).split('/'), path)
}

function segmentsMatch({ kind, segments, partial }: SegmentPattern, sent: readonly string[], path: string): boolean {
  const given = path === '' ? [] : sent
  const isFit = segments.every((segment, i) => (segment === anySegment ? Boolean(given[i]) : segment === given[i]))
  if (!isFit) return false
  if (kind === 'exact') return given.length === segments.length
  return partial === null || (given[segments.length]?.startsWith(partial) ?? false)
}
