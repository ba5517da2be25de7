import fc from 'fast-check'
import { expect, it } from 'vitest'
import { aRoute } from '../../test/a-route.ts'
import type { HeaderCondition, RouteConfig } from '../model.ts'
import { explainRoutes } from './explain-routes.ts'
import type { HeaderLookup } from './header-condition.ts'
import { compileRoutes } from './route-table.ts'

/**
 * The specification read literally, without an index, without RE2 and without the parsers: every pattern a JavaScript
 * regex over the whole text, every route tried in sorted order.
 */
function winnerByScan(
  routes: RouteConfig[],
  host: string,
  path: string,
  method: string,
  headers: Headers,
): string | null {
  const candidates = routes.filter(
    (route) =>
      route.enabled &&
      hostRegex(route).test(host) &&
      pathRegex(route).test(path) &&
      (route.methods.length === 0 || route.methods.includes(method)) &&
      route.headers.every((condition) => holds(condition, headers)),
  )
  const rank = (route: RouteConfig): (number | string)[] => [
    -route.priority,
    ['exact', 'wildcard', 'regex', 'any'].indexOf(route.hostMatch),
    ['exact', 'prefix', 'regex'].indexOf(route.pathMatch),
    -fixedChars(route),
    -route.headers.length,
    route.methods.length > 0 ? 0 : 1,
    route.createdAtMs,
    route.id,
  ]
  const sorted = candidates.toSorted((a, b) => {
    const other = rank(b)
    const differing = rank(a).findIndex((value, i) => value !== other[i])
    return differing === -1 ? 0 : rank(a)[differing]! < other[differing]! ? -1 : 1
  })
  return sorted[0]?.id ?? null
}

type Headers = Record<string, string>

const quoted = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
const whole = (source: string): RegExp => new RegExp(`^(?:${source})$`, 's')
const literalParts = (pattern: string): string =>
  pattern
    .split(/\{[a-z]\w*\}/)
    .map(quoted)
    .join('[^/]+')
const canonicalPrefix = (pattern: string): string => pattern.replace(/\/\*?$/, '')

function hostRegex({ hostMatch, hostPattern }: RouteConfig): RegExp {
  if (hostMatch === 'any') return /^/
  if (hostMatch === 'regex') return whole(hostPattern)
  return whole(quoted(hostPattern).replace('\\*', '[^.]+'))
}

function pathRegex({ pathMatch, pathPattern }: RouteConfig): RegExp {
  if (pathMatch === 'regex') return whole(pathPattern.replaceAll(/\{[a-z]\w*\}/g, '[^/]+'))
  if (pathMatch === 'exact') return whole(literalParts(pathPattern))
  if (/[^/]\*$/.test(pathPattern)) return whole(`${literalParts(pathPattern.slice(0, -1))}.*`)
  return whole(`${literalParts(canonicalPrefix(pathPattern))}(/.*)?`)
}

function fixedChars({ pathMatch, pathPattern }: RouteConfig): number {
  if (pathMatch === 'regex') return pathPattern.length
  const text = pathMatch === 'exact' ? pathPattern : canonicalPrefix(pathPattern).replace(/\*$/, '')
  return text.replaceAll(/\{[a-z]\w*\}/g, '').length
}

function holds({ name, match, value = '' }: HeaderCondition, headers: Headers): boolean {
  const sent = headers[name]
  if (sent === undefined) return match === 'absent'
  if (match === 'exact') return sent === value
  if (match === 'prefix') return sent.startsWith(value)
  if (match === 'regex') return whole(value).test(sent)
  return match === 'present'
}

// Small alphabets, so that most routes overlap with others.
const hostOf: fc.Arbitrary<Pick<RouteConfig, 'hostMatch' | 'hostPattern'>> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ hostMatch: 'any' as const, hostPattern: '' }) },
  fc.record({ hostMatch: fc.constant('exact' as const), hostPattern: fc.constantFrom('a.x', 'b.x', 'x') }),
  fc.record({ hostMatch: fc.constant('wildcard' as const), hostPattern: fc.constantFrom('*.x', '*.a.x') }),
  fc.record({ hostMatch: fc.constant('regex' as const), hostPattern: fc.constantFrom('.*', '[ab]\\.x', 'a.*|x') }),
)
const literal = fc.constantFrom('a', 'b', 'ab')
const steps = (max: number): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof({ weight: 3, arbitrary: literal }, fc.constant('{p}')), { maxLength: max })
    .map((segments) => segments.map((segment, i) => (segment === '{p}' ? `/{p${i}}` : `/${segment}`)).join(''))
const pathOf: fc.Arbitrary<Pick<RouteConfig, 'pathMatch' | 'pathPattern'>> = fc.oneof(
  fc.record({
    pathMatch: fc.constant('exact' as const),
    pathPattern: fc.tuple(steps(4), fc.constantFrom('', '/')).map(([path, end]) => path + end || '/'),
  }),
  fc.record({
    pathMatch: fc.constant('prefix' as const),
    pathPattern: fc
      .tuple(steps(3), fc.constantFrom('', '/', '/*', '/a*', '/ab*'))
      .map(([path, end]) => path + end || '/'),
  }),
  fc.record({
    pathMatch: fc.constant('regex' as const),
    pathPattern: fc
      .tuple(
        fc.constantFrom('', '^'),
        steps(2),
        fc.constantFrom(
          '',
          '/',
          '/a?b',
          '/.*',
          '(/b)?',
          '(/a|/b)+',
          '/a|/b',
          '/{q}',
          '/a*',
          '[/]a',
          '/?',
          '/a{2}',
          '/b$',
        ),
      )
      .map(([start, path, end]) => start + path + end || '/'),
  }),
)
const conditionOf: fc.Arbitrary<HeaderCondition> = fc.oneof(
  fc.record({
    name: fc.constantFrom('h', 'i'),
    match: fc.constantFrom('exact' as const, 'prefix' as const, 'regex' as const),
    value: fc.constantFrom('1', '12', '1.?'),
  }),
  fc.record({ name: fc.constantFrom('h', 'i'), match: fc.constantFrom('present' as const, 'absent' as const) }),
)
const patternsOf = fc.tuple(hostOf, pathOf).map(([host, path]) => ({ ...host, ...path }))
const restOf = fc.record({
  methods: fc.uniqueArray(fc.constantFrom('GET', 'HEAD', 'POST'), { maxLength: 2 }),
  headers: fc.oneof(
    { weight: 2, arbitrary: fc.constant<HeaderCondition[]>([]) },
    fc.array(conditionOf, { maxLength: 2 }),
  ),
  priority: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: -1, max: 1 })),
  createdAtMs: fc.integer({ min: 0, max: 2 }),
  enabled: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, fc.constant(false)),
})
/** Many routes of few patterns, so that every step of the order gets to decide. */
const routesOf = fc
  .array(patternsOf, { minLength: 1, maxLength: 12 })
  .chain((patterns) => fc.array(fc.tuple(fc.constantFrom(...patterns), restOf), { maxLength: 40 }))
  .map((pairs) => pairs.map(([patterns, rest], i) => aRoute({ ...patterns, ...rest, id: `rte_${i}` })))
const requestOf = fc.record({
  host: fc.constantFrom('a.x', 'b.x', 'x', 'c.a.x', 'y', ''),
  path: fc
    .array(fc.constantFrom('a', 'b', 'ab', 'aab', 'c', ''), { minLength: 1, maxLength: 5 })
    .map((segments) => `/${segments.join('/')}`),
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT'),
  headers: fc.dictionary(fc.constantFrom('h', 'i'), fc.constantFrom('1', '12', '', '2')),
})

it('the index finds the winner of a plain sorted scan, for any routes and requests', () => {
  fc.assert(
    fc.property(routesOf, fc.array(requestOf, { minLength: 1, maxLength: 20 }), (routes, requests) => {
      const table = compileRoutes(routes)
      for (const { host, path, method, headers } of requests) {
        const found = table.match(host, path, method, (name) => headers[name])?.route.config.id ?? null
        expect(found).toBe(winnerByScan(routes, host, path, method, headers))
      }
    }),
    { numRuns: 500 },
  )
})

/** By an explanation: the winner, then those that lost to it. */
function allThatMatch(
  routes: RouteConfig[],
  host: string,
  path: string,
  method: string,
  header: HeaderLookup,
): string[] {
  const steps = explainRoutes(compileRoutes(routes), host, path, method, header, routes.length)
  let step = steps.next()
  while (!step.done) step = steps.next()
  const { winner, verdicts } = step.value
  const others = verdicts.filter(({ misses }) => misses.length === 0).map(({ route }) => route)
  return [winner, ...others].flatMap((route) => route?.config.id ?? [])
}

it('an explanation names the same winner, and after it the routes that would win without it', () => {
  fc.assert(
    fc.property(routesOf, requestOf, (routes, { host, path, method, headers }) => {
      const lookup = (name: string): string | undefined => headers[name]
      const explained = allThatMatch(routes, host, path, method, lookup)
      let left = routes
      for (const id of explained) {
        expect(compileRoutes(left).match(host, path, method, lookup)?.route.config.id).toBe(id)
        left = left.filter((route) => route.id !== id)
      }
      expect(compileRoutes(left).match(host, path, method, lookup)).toBeNull()
    }),
  )
})
