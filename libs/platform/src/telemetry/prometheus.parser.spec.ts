import { expect, test } from 'vitest'
import { metric } from '../prometheus.text.ts'
import { RouteTraffic } from '../route.traffic.ts'
import { parsePrometheusText } from './prometheus.parser.ts'

test('what is written as Prometheus text is read as it was meant', () => {
  const labels = { route: 'a "b" \\ c\nd', status: '2xx' }
  const text =
    metric('counter', 'apigate_x_total', 'Things, counted.', [[labels, 3]]) +
    metric('gauge', 'apigate_y', 'A level.', -0.5) +
    metric('gauge', 'apigate_z', 'Unknown.', null)
  expect(parsePrometheusText(text)).toEqual([
    {
      ...{ name: 'apigate_x_total', help: 'Things, counted.', type: 'counter' },
      samples: [{ name: 'apigate_x_total', labels, value: 3 }],
    },
    { name: 'apigate_y', help: 'A level.', type: 'gauge', samples: [{ name: 'apigate_y', labels: {}, value: -0.5 }] },
  ])
})

test('a histogram keeps its buckets, sum and count', () => {
  const traffic = new RouteTraffic()
  traffic.count('rte_1', 200, 0.01)
  traffic.count('rte_1', 500, 30)
  const [answers, durations] = parsePrometheusText(traffic.text('apigate_'))
  expect(answers?.samples.map(({ labels, value }) => [labels['status'], value])).toEqual([
    ['2xx', 1],
    ['5xx', 1],
  ])
  expect(durations).toMatchObject({ name: 'apigate_request_duration_seconds', type: 'histogram' })
  const valueOf = (name: string, le?: string): number | undefined =>
    durations?.samples.find((each) => each.name.endsWith(name) && each.labels['le'] === le)?.value
  expect([valueOf('_bucket', '0.005'), valueOf('_bucket', '0.025'), valueOf('_bucket', '+Inf')]).toEqual([0, 1, 2])
  expect([valueOf('_sum'), valueOf('_count')]).toEqual([30.01, 2])
})
