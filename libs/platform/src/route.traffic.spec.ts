import { expect, test } from 'vitest'
import { metric } from './prometheus.text.ts'
import { RouteTraffic, routesMax } from './route.traffic.ts'

test('answers are counted by route and class, and their time in a cumulative histogram', () => {
  const traffic = new RouteTraffic()
  traffic.count('rte_a', 200, 0.005)
  traffic.count('rte_a', 204, 0.006)
  traffic.count('rte_a', 999, 60)
  traffic.count('rte_b', 101, 3_600)
  const lines = traffic.text('x_').split('\n')
  expect(lines.filter((line) => line.startsWith('x_requests_total'))).toEqual([
    'x_requests_total{route="rte_a",status="2xx"} 2',
    'x_requests_total{route="rte_a",status="5xx"} 1',
    'x_requests_total{route="rte_b",status="1xx"} 1',
  ])
  expect(lines).toContain('x_request_duration_seconds_bucket{route="rte_a",le="0.005"} 1')
  expect(lines).toContain('x_request_duration_seconds_bucket{route="rte_a",le="0.025"} 2')
  expect(lines).toContain('x_request_duration_seconds_bucket{route="rte_a",le="10"} 2')
  expect(lines).toContain('x_request_duration_seconds_bucket{route="rte_a",le="+Inf"} 3')
  expect(lines).toContain('x_request_duration_seconds_count{route="rte_a"} 3')
  expect(lines).toContain('x_request_duration_seconds_count{route="rte_b"} 0')
})

test('a hundred thousand routes make no more text than the bound, and no answer goes uncounted', () => {
  const traffic = new RouteTraffic()
  for (let n = 0; n < 100_000; n++) traffic.count(`rte_${n}`, 200, 0.1)
  const text = traffic.text('x_')
  const counts = [...text.matchAll(/^x_requests_total\{route="(\w+)",status="2xx"\} (\d+)$/gm)]
  expect(counts).toHaveLength(routesMax + 1)
  expect(counts.at(-1)?.slice(1)).toEqual(['other', String(100_000 - routesMax)])
  expect(text.length).toBeLessThan(400_000)
})

test('a label cannot end its quotes, and what is not known is left out', () => {
  expect(metric('gauge', 'a', 'b.', [[{ x: 'q"\\\n' }, 1]])).toBe('# HELP a b.\n# TYPE a gauge\na{x="q\\"\\\\\\n"} 1\n')
  expect(metric('gauge', 'a', 'b.', null)).toBe('')
})
