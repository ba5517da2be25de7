import { describe, expect, it } from 'vitest'
import { aRoute } from '../../test/a-route.ts'
import type { RouteConfig } from '../model.ts'
import { compileRoutes, compileRoutesInSlices, routeParams } from './route-table.ts'

interface Request {
  host?: string
  path?: string
  method?: string
  headers?: Record<string, string>
}

function winner(
  routes: RouteConfig[],
  { host = 'h', path = '/', method = 'GET', headers = {} }: Request,
): string | null {
  return compileRoutes(routes).match(host, path, method, (name) => headers[name])?.route.config.id ?? null
}
/** Those of the paths that the route matches. */
const matching = (route: Partial<RouteConfig>, paths: string[]): string[] =>
  paths.filter((path) => matches(route, { path }))
const matches = (route: Partial<RouteConfig>, request: Request): boolean => winner([aRoute(route)], request) !== null

describe('a prefix', () => {
  it.each(['/api/v1', '/api/v1/', '/api/v1/*'])('%s matches by segment', (pathPattern) => {
    const inside = ['/api/v1', '/api/v1/', '/api/v1/x', '/api/v1/x/y', '/api/v1//']
    const outside = ['/api/v10', '/api', '/api/', '/', '/x/api/v1', '/API/v1']
    expect(matching({ pathPattern }, [...inside, ...outside])).toEqual(inside)
  })

  it.each(['/', '/*'])('%s matches every path', (pathPattern) => {
    const paths = ['/', '/a', '//', '/a/b/']
    expect(matching({ pathPattern }, paths)).toEqual(paths)
  })

  it('with a * that does not follow a slash is a plain string prefix', () => {
    const inside = ['/file-', '/file-a', '/file-a/b']
    expect(matching({ pathPattern: '/file-*' }, [...inside, '/file', '/files', '/x/file-a'])).toEqual(inside)
  })

  it('has one segment for {name}, never an empty one', () => {
    const paths = ['/users/7/files/v2', '/users/7/8/files/v2', '/users//files/v2']
    expect(matching({ pathPattern: '/users/{id}/files/v*' }, paths)).toEqual(['/users/7/files/v2'])
  })

  it('written with characters beyond ASCII or encoded ones matches the normalised path', () => {
    expect(matches({ pathPattern: '/café' }, { path: '/caf%C3%A9/x' })).toBe(true)
    expect(matches({ pathPattern: '/%7euser' }, { path: '/~user' })).toBe(true)
  })
})

describe('an exact path', () => {
  it('is the whole path, byte for byte', () => {
    const paths = ['/a/b', '/a/b/', '/a', '/a/b/c', '/A/b', '/a/bc']
    expect(matching({ pathPattern: '/a/b', pathMatch: 'exact' }, paths)).toEqual(['/a/b'])
  })

  it('has one segment for {name}', () => {
    const paths = ['/a/b', '/a/', '/a', '/a/b/', '/a/b/c']
    expect(matching({ pathPattern: '/a/{x}', pathMatch: 'exact' }, paths)).toEqual(['/a/b'])
  })
})

describe('a regex path', () => {
  it('is anchored at both ends', () => {
    const route = { pathPattern: '/a|/ab', pathMatch: 'regex' } as const
    expect(matches(route, { path: '/a' })).toBe(true)
    expect(matches(route, { path: '/ab' })).toBe(true)
    expect(matches(route, { path: '/abc' })).toBe(false)
    expect(matches(route, { path: '/x/a' })).toBe(false)
  })

  it.each([
    ['^/v[0-9]{1,2}/{name}\\.json$', '/v12/report.json'],
    ['/\\p{Lu}\\x{41}/{name}', '/BA/x'],
    ['/[{name}]+', '/{{}name'],
    ['/\\{name\\}', '/{name}'],
    ['/\\Q{name}\\E/{name}', '/{name}/x'],
    ['(?i)/API/.*', '/api/x'],
    ['^*/a', '/a'],
    ['^|/b', '/b'],
  ])('%s matches %s: {name} is a segment, other braces are RE2’s', (pathPattern, path) => {
    expect(matches({ pathPattern, pathMatch: 'regex' }, { path })).toBe(true)
  })

  it('answers in time linear in the path where backtracking would hang', () => {
    const route = { pathPattern: '/(a*)*(a*)*(a|aa)*b', pathMatch: 'regex' } as const
    expect(matches(route, { path: `/${'a'.repeat(8000)}` })).toBe(false)
  })
})

describe('a host', () => {
  it('that is exact is no other', () => {
    const route = { hostPattern: 'API.example.com.', hostMatch: 'exact' } as const
    expect(matches(route, { host: 'api.example.com' })).toBe(true)
    expect(matches(route, { host: 'x.api.example.com' })).toBe(false)
    expect(matches(route, { host: '' })).toBe(false)
  })

  it('with a wildcard has exactly one label more', () => {
    const route = { hostPattern: '*.example.com', hostMatch: 'wildcard' } as const
    expect(matches(route, { host: 'a.example.com' })).toBe(true)
    expect(matches(route, { host: 'a.b.example.com' })).toBe(false)
    expect(matches(route, { host: 'example.com' })).toBe(false)
    expect(matches(route, { host: '.example.com' })).toBe(false)
  })

  it('that is a regex is anchored at both ends', () => {
    const route = { hostPattern: '(eu|us)\\.example\\.com', hostMatch: 'regex' } as const
    expect(matches(route, { host: 'eu.example.com' })).toBe(true)
    expect(matches(route, { host: 'eu.example.com.evil' })).toBe(false)
    expect(matches(route, { host: 'neu.example.com' })).toBe(false)
  })
})

describe('conditions', () => {
  it('methods are exactly those listed; HEAD is not GET', () => {
    expect(matches({ methods: ['GET', 'POST'] }, { method: 'POST' })).toBe(true)
    expect(matches({ methods: ['GET'] }, { method: 'HEAD' })).toBe(false)
    expect(matches({ methods: [] }, { method: 'PURGE' })).toBe(true)
  })

  it.each([
    [{ name: 'x', match: 'exact', value: 'One' }, 'One', true],
    [{ name: 'x', match: 'exact', value: 'One' }, 'one', false],
    [{ name: 'x', match: 'prefix', value: 'On' }, 'One', true],
    [{ name: 'x', match: 'prefix', value: 'ne' }, 'One', false],
    [{ name: 'x', match: 'regex', value: '[0-9]+' }, '12', true],
    [{ name: 'x', match: 'regex', value: '[0-9]+' }, 'a12', false],
    [{ name: 'x', match: 'present' }, '', true],
    [{ name: 'x', match: 'present' }, undefined, false],
    [{ name: 'x', match: 'absent' }, undefined, true],
    [{ name: 'x', match: 'absent' }, 'a', false],
    [{ name: 'x', match: 'prefix', value: '' }, undefined, false],
  ] as const)('header condition %j on %j gives %s', (condition, value, expected) => {
    expect(matches({ headers: [condition] }, { headers: value === undefined ? {} : { x: value } })).toBe(expected)
  })

  it('of headers must all hold', () => {
    const headers = [
      { name: 'a', match: 'present' },
      { name: 'b', match: 'exact', value: '1' },
    ] as const
    expect(matches({ headers: [...headers] }, { headers: { a: '', b: '1' } })).toBe(true)
    expect(matches({ headers: [...headers] }, { headers: { a: '', b: '2' } })).toBe(false)
  })
})

describe('of the routes that match', () => {
  /** Each row beats those after it on `GET http://a.example.com/x/y` with `t: 1`. */
  const ladder: Partial<RouteConfig>[] = [
    { priority: 1, pathPattern: '/.*', pathMatch: 'regex' },
    { hostPattern: 'a.example.com', hostMatch: 'exact', pathPattern: '/.*', pathMatch: 'regex' },
    { hostPattern: '*.example.com', hostMatch: 'wildcard', pathPattern: '/.*', pathMatch: 'regex' },
    { hostPattern: '.*', hostMatch: 'regex', pathPattern: '/.*', pathMatch: 'regex' },
    { pathPattern: '/x/y', pathMatch: 'exact' },
    { pathPattern: '/x/{identifier}', pathMatch: 'exact' },
    {
      pathPattern: '/x/y/*',
      headers: [
        { name: 't', match: 'present' },
        { name: 'u', match: 'absent' },
      ],
    },
    { pathPattern: '/x/y', headers: [{ name: 't', match: 'present' }], methods: ['GET'] },
    { pathPattern: '/x/y/', headers: [{ name: 't', match: 'exact', value: '1' }] },
    { pathPattern: '/x/y/*', methods: ['GET'], createdAtMs: 5 },
    { pathPattern: '/x/y', createdAtMs: 1 },
    { pathPattern: '/x/y/', createdAtMs: 2 },
    { pathPattern: '/x/{identifier}' },
    { pathPattern: '/x' },
    { pathPattern: '/x/[a-z]', pathMatch: 'regex' },
    { pathPattern: '/.*', pathMatch: 'regex' },
  ]
  const request = { host: 'a.example.com', path: '/x/y', headers: { t: '1' } }

  it('the winner follows the order of the specification, whatever the order they come in', () => {
    const routes = ladder.map((over, i) => aRoute({ id: `rte_${i}`, ...over })).toReversed()
    const order: (string | null)[] = []
    for (let left = routes; left.length > 0; left = left.filter(({ id }) => id !== order.at(-1))) {
      order.push(winner(left, request))
      expect(order.at(-1)).not.toBeNull()
    }
    expect(order).toEqual(ladder.map((_, i) => `rte_${i}`))
  })

  it('the id decides between twins', () => {
    expect(winner([aRoute({ id: 'rte_b' }), aRoute({ id: 'rte_a' })], {})).toBe('rte_a')
  })

  it('a disabled one is not matched, even if it does not compile', () => {
    const routes = [
      aRoute({ id: 'rte_off', enabled: false, pathPattern: '(', pathMatch: 'regex' }),
      aRoute({ id: 'rte_on' }),
    ]
    expect(winner(routes, {})).toBe('rte_on')
  })
})

describe('routeParams', () => {
  const params = (route: Partial<RouteConfig>, path: string): Record<string, string> | null => {
    const match = compileRoutes([aRoute(route)]).match('h', path, 'GET', () => undefined)
    return match && { ...routeParams(match) }
  }

  it('gives each {name} its segment as it stands in the path', () => {
    expect(params({ pathPattern: '/u/{id}/f/{file}', pathMatch: 'exact' }, '/u/7/f/a%20b')).toEqual({
      id: '7',
      file: 'a%20b',
    })
    expect(params({ pathPattern: '/u/{id}/*' }, '/u/7/f/x')).toEqual({ id: '7' })
    expect(params({ pathPattern: '/v(\\d+)/{id}(?:/(?P<rest>.*))?', pathMatch: 'regex' }, '/v2/7')).toEqual({
      id: '7',
      rest: '',
    })
  })

  it('has no name but the pattern’s', () => {
    const match = compileRoutes([aRoute({ pathPattern: '/{__proto__}' })]).match('h', '/x', 'GET', () => undefined)
    expect(Object.keys(routeParams(match!))).toEqual(['__proto__'])
    expect(routeParams(match!)['constructor']).toBeUndefined()
  })
})

it('compileRoutes names the route and every problem, and makes no table', () => {
  const broken = aRoute({ id: 'rte_bad', pathPattern: '/(', pathMatch: 'regex', methodOverride: 'CONNECT' })
  expect(() => compileRoutes([aRoute(), broken])).toThrow(
    expect.objectContaining({
      name: 'RouteCompileError',
      routeId: 'rte_bad',
      problems: [
        { field: 'path_pattern', message: expect.stringContaining('missing closing )') },
        { field: 'method_override', message: expect.any(String) },
      ],
    }),
  )
})

it('a big table is compiled in slices, and none of them is a big part of it', () => {
  const count = 20_000
  const configs = Array.from({ length: count }, (_, i) =>
    aRoute({
      id: `rte_${i}`,
      pathPattern: `/api/${i}/*`,
      priority: i % 7,
      ...(i % 100 === 0 ? { enabled: false } : {}),
    }),
  )
  const slices = compileRoutesInSlices(configs)
  let turns = 0
  let step = slices.next()
  for (; step.done !== true; step = slices.next()) turns += 1
  expect(turns).toBeGreaterThan(80)
  const table = step.value
  expect(table.routes.map(({ config }) => config.id)).toEqual(
    compileRoutes(configs).routes.map(({ config }) => config.id),
  )
  for (const i of [1, 777, count - 1]) {
    expect(table.match('h', `/api/${i}/x`, 'GET', () => undefined)?.route.config.id).toBe(`rte_${i}`)
  }
  expect(table.match('h', '/api/100/x', 'GET', () => undefined)).toBeNull()
})
