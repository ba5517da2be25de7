import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { aRoute } from '../../test/a-route.ts'
import type { RouteConfig } from '../model.ts'
import { compileRoutes, compileRoutesInSlices, type RouteTable } from './route-table.ts'

let compiled = 0

/** A route that tells when it is compiled. */
function watched(over: Partial<RouteConfig>): RouteConfig {
  const route = aRoute(over)
  const { meteringExpr } = route
  return Object.defineProperty(route, 'meteringExpr', {
    get() {
      compiled += 1
      return meteringExpr
    },
  })
}

/** Routes that were compiled in each slice that compiled any. */
function slices(
  routes: readonly RouteConfig[],
  before: RouteTable | null = null,
): { counts: number[]; table: RouteTable } {
  const counts: number[] = []
  const steps = compileRoutesInSlices(routes, before)
  for (;;) {
    compiled = 0
    const step = steps.next()
    if (compiled > 0) counts.push(compiled)
    if (step.done === true) return { counts, table: step.value }
  }
}

describe('a table that is made in slices', () => {
  it('compiles at most five hundred routes at a time, of which each is looked at once', () => {
    const { counts } = slices(Array.from({ length: 2_600 }, (_, i) => watched({ id: `r${i}`, pathPattern: `/${i}` })))
    const reads = counts.reduce((sum, count) => sum + count, 0) / 2_600
    expect(counts).toHaveLength(6)
    expect(Math.max(...counts) / reads).toBeLessThanOrEqual(500)
  })

  it('compiles fewer at a time of those that take longer', () => {
    const regex = (i: number): Partial<RouteConfig> => ({ pathPattern: `/${i}/[a-z]+`, pathMatch: 'regex' })
    const transform = { requestTransform: { headers: { set: { a: 'b' } } } }
    const regexes = slices(Array.from({ length: 100 }, (_, i) => watched({ id: `r${i}`, ...regex(i) })))
    expect(regexes.counts.length).toBeGreaterThanOrEqual(5)
    const transforms = slices(Array.from({ length: 500 }, (_, i) => watched({ id: `r${i}`, ...transform })))
    expect(transforms.counts.length).toBeGreaterThanOrEqual(5)
  })

  it('compiles again only what has changed', () => {
    const routes = Array.from({ length: 2_000 }, (_, i) => watched({ id: `r${i}`, pathPattern: `/${i}` }))
    const { table } = slices(routes)
    const once = slices([watched({ id: 'one' })]).counts[0]!
    const changed = routes.with(7, watched({ id: 'r7', pathPattern: '/seven' }))
    const next = slices(changed, table)
    expect(next.counts).toEqual([once])
    const match = (path: string, of: RouteTable) => of.match('h', path, 'GET', () => undefined)?.route.config.id
    expect(['/7', '/seven', '/8'].map((path) => match(path, next.table))).toEqual([undefined, 'r7', 'r8'])
    expect(['/7', '/seven', '/8'].map((path) => match(path, table))).toEqual(['r7', undefined, 'r8'])
  })

  const change = fc.record({
    id: fc.integer({ min: 0, max: 20 }),
    gone: fc.boolean(),
    enabled: fc.boolean(),
    priority: fc.integer({ min: 0, max: 2 }),
    path: fc.constantFrom('/', '/a', '/a/b', '/{x}', '/a*'),
    createdAtMs: fc.integer({ min: 0, max: 2 }),
  })

  it('is the same whether it is made of the one before or of nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 8 }), { maxLength: 8 }), (rounds) => {
        const routes = new Map<string, RouteConfig>()
        let before: RouteTable | null = null
        for (const round of rounds) {
          for (const { id, gone, path, ...rest } of round) {
            if (gone) routes.delete(`r${id}`)
            else routes.set(`r${id}`, aRoute({ ...rest, id: `r${id}`, pathPattern: path }))
          }
          before = slices([...routes.values()], before).table
          const anew = compileRoutes([...routes.values()])
          expect(before.routes.map(({ config, rank }) => [config, rank])).toEqual(
            anew.routes.map(({ config, rank }) => [config, rank]),
          )
          for (const path of ['/', '/a', '/a/b', '/c']) {
            const [one, other] = [before, anew].map((table) => table.match('h', path, 'GET', () => undefined))
            expect(one?.route.config).toBe(other?.route.config)
          }
        }
      }),
    )
  })
})
