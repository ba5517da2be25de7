import { normalizeHost, normalizeTarget } from '@apigate/core'
import type { Exchange } from '../exchange.ts'
import { refusal, type Refusal } from '../refusal.ts'

const notReady = refusal('not_ready', 'This worker has no configuration yet.', ['retry-after', '1'])
const badTarget = refusal('bad_request', 'The request target is not usable.')
const badHost = refusal('bad_request', 'The Host header is not usable.')
const noRoute = refusal('route_not_found')
const noUpgrade = refusal('bad_request', 'This route does not take upgrades.')
const unavailable = refusal('upstream_unavailable')

/** Normalises host and target, once, and finds the route and its upstream. */
export function matchRoute(exchange: Exchange): Refusal | null {
  const { tables, request } = exchange
  if (tables === null) return notReady
  const target = normalizeTarget(request.url ?? '')
  if (target === null) return badTarget
  exchange.path = target.path
  exchange.query = target.query
  // RFC 9112 §3.2.2: the target's authority counts, not `Host`.
  if (target.authority !== null) exchange.authority = target.authority
  const host = normalizeHost(exchange.authority)
  if (host === null) return badHost
  exchange.host = host

  const match = tables.routes.match(host, target.path, exchange.method, (name) => {
    const value: unknown = request.headers[name]
    return typeof value === 'string' ? value : Array.isArray(value) ? value.join(', ') : undefined
  })
  if (match === null) return noRoute
  const route = match.route.config
  exchange.match = match
  exchange.route = route
  if (exchange.upgradeHead !== null && route.protocol !== 'websocket') return noUpgrade
  const upstream = tables.upstreams.get(route.upstreamId)
  if (upstream === undefined || !upstream.config.enabled) return unavailable
  exchange.upstream = upstream
  return null
}
