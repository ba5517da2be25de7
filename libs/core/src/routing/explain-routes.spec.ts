import { expect, test } from 'vitest'
import { aRoute } from '../../test/a-route.ts'
import type { RouteConfig } from '../model.ts'
import { explainRoutes } from './explain-routes.ts'
import { compileRoutes } from './route-table.ts'

function explain(routes: RouteConfig[], max = 20) {
  const headers: Record<string, string> = { 'x-tag': '1' }
  const steps = explainRoutes(compileRoutes(routes), 'api.example', '/a/b', 'GET', (name) => headers[name], max)
  let turns = 0
  let step = steps.next()
  for (; !step.done; step = steps.next()) turns++
  const { winner, verdicts } = step.value
  return {
    turns,
    winner: winner?.config.id ?? null,
    verdicts: verdicts.map(({ route, misses, lostBy }) => [route.config.id, lostBy ?? misses]),
  }
}

test('says by what a matching route is behind, and what a near miss does not take', () => {
  const tag = { name: 'x-tag', match: 'present' } as const
  const { winner, verdicts } = explain([
    aRoute({ id: 'rte_wins', pathPattern: '/a', headers: [tag], priority: 5 }),
    aRoute({ id: 'rte_prefix', pathPattern: '/a' }),
    aRoute({ id: 'rte_host', pathPattern: '/a/b', hostMatch: 'exact', hostPattern: 'other.example' }),
    aRoute({ id: 'rte_path', pathPattern: '/a/bc', hostMatch: 'wildcard', hostPattern: '*.example' }),
    aRoute({ id: 'rte_method', pathPattern: '/a/b', methods: ['POST'] }),
    aRoute({ id: 'rte_two', pathPattern: '/a/b', methods: ['POST'], headers: [{ name: 'y', match: 'present' }] }),
    aRoute({ id: 'rte_far', pathPattern: '/x', hostMatch: 'exact', hostPattern: 'other.example' }),
    aRoute({ id: 'rte_off', pathPattern: '/a', enabled: false }),
  ])
  expect(winner).toBe('rte_wins')
  expect(verdicts.slice(0, 1)).toEqual([['rte_prefix', 'priority']])
  expect(new Map(verdicts.slice(1) as [string, unknown][])).toEqual(
    new Map<string, unknown>([
      ['rte_host', [{ part: 'host' }]],
      ['rte_path', [{ part: 'path' }]],
      ['rte_method', [{ part: 'method' }]],
      ['rte_two', [{ part: 'method' }, { part: 'header', name: 'y' }]],
    ]),
  )
  expect(verdicts.at(-1)?.[0]).toBe('rte_two')
})

test('hands over between slices of a large table, and keeps only the nearest', () => {
  const many = Array.from({ length: 5_000 }, (_, i) => aRoute({ id: `rte_${i}`, methods: ['POST'], createdAtMs: i }))
  const { turns, winner, verdicts } = explain(
    [...many, aRoute({ id: 'rte_last', pathPattern: '/a/b', priority: -1 })],
    3,
  )
  expect([turns, winner]).toEqual([10, 'rte_last'])
  expect(verdicts.map(([id]) => id)).toEqual(['rte_0', 'rte_1', 'rte_2'])
})
