import { processMetrics, type RouteTraffic } from '@apigate/platform'

/** What an `api` process tells, in Prometheus's text format. */
export function apiMetrics(traffic: RouteTraffic): string {
  return traffic.text('apigate_api_') + processMetrics()
}
