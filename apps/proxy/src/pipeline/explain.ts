import type { IncomingMessage, ServerResponse } from 'node:http'
import { setImmediate as immediate } from 'node:timers/promises'
import type { Explanation, ExplainRequest } from '@apigate/contracts'
import { explainRoutes, routeParams, type RouteVerdict } from '@apigate/core'
import type { ErrorObject } from '@apigate/errors'
import { Exchange, type Gateway } from './exchange.ts'
import { limitsAway, refusal, type Refusal } from './refusal.ts'
import { authenticate, useKey } from './stages/authenticate.ts'
import { checkOwner } from './stages/check-owner.ts'
import { matchRoute } from './stages/match-route.ts'
import { rewrite } from './stages/rewrite.ts'
import { selectChanges } from './stages/transform-request.ts'

const nearMissesMax = 20
const masked = '[masked]'
const overQuota = refusal('quota_exceeded')
const overRate = refusal('rate_limit_exceeded')

/**
 * What this worker would do with a request, by the stages that would do it. The upstream is not asked, nothing is recorded
 * and no limit is used up.
 */
export async function explain(gateway: Gateway, worker: string, asked: ExplainRequest): Promise<Explanation> {
  const exchange = exchangeOf(gateway, asked)
  let refused = matchRoute(exchange)
  const { route, upstream } = exchange
  if (refused === null) refused = asked.keyId === null ? authenticate(exchange) : useKeyOf(exchange, asked.keyId)
  if (exchange.keyId !== null) refused = refused ?? checkOwner(exchange)
  const { owner, plan } = exchange
  const limits = await limitsOf(exchange)
  refused = refused ?? limits.refused
  if (refused === null) selectChanges(exchange)
  refused = refused ?? rewrite(exchange)
  return {
    v: 1,
    worker,
    configRevision: exchange.tables?.revision ?? null,
    refusal: refused && { status: refused.status, code: refused.code, detail: detailOf(refused) },
    request: exchange.path === '' ? null : { host: exchange.host, path: exchange.path, query: exchange.query },
    route: route && exchange.match && { id: route.id, name: route.name, params: { ...routeParams(exchange.match) } },
    nearMisses: await nearMisses(exchange),
    key: exchange.keyId === null ? null : { id: exchange.keyId },
    owner: owner && { type: owner.kind, id: owner.id, status: owner.status },
    plan: plan && { id: plan.id, name: plan.name },
    rateLimit: limits.rateLimit,
    quota: limits.quota,
    upstream:
      upstream && exchange.upstreamPath !== ''
        ? {
            id: upstream.config.id,
            name: upstream.config.name,
            method: exchange.upstreamMethod,
            url: new URL(upstream.config.baseUrl).origin + exchange.upstreamPath,
            headers: upstreamHeaders(exchange),
          }
        : null,
    metering: route && { mode: route.meteringMode, expression: route.meteringExpr },
  }
}

/** An exchange without a connection: the stages that run here read the request and nothing else. */
function exchangeOf(gateway: Gateway, { method, target, host, headers, upgrade }: ExplainRequest): Exchange {
  // A body was not described: there is none to be read.
  const { 'content-length': _length, 'transfer-encoding': _coding, ...others } = headers
  const sent: Record<string, string> = { ...others, host }
  const request = {
    method,
    url: target,
    headers: sent,
    rawHeaders: Object.entries(sent).flat(),
    socket: { destroyed: false },
  } as unknown as IncomingMessage
  const connection = { address: '0.0.0.0', isTrusted: false, newest: null, waiting: null, broken: null }
  const upgradeHead = upgrade ? Buffer.alloc(0) : null
  const exchange = new Exchange(gateway, connection, request, {} as ServerResponse, 'explain', upgradeHead)
  exchange.authority = host
  return exchange
}

function useKeyOf(exchange: Exchange, keyId: string): Refusal | null {
  return exchange.route!.authRequired ? useKey(exchange, exchange.tables!.keys.findId(keyId)) : null
}

/** A unit is reserved and given back in the same breath: that is how the shared store is asked how things stand. */
async function limitsOf(
  exchange: Exchange,
): Promise<Pick<Explanation, 'rateLimit' | 'quota'> & { refused: Refusal | null }> {
  const { gateway, owner, plan, keyId, startedAtMs, receivedAtMs } = exchange
  if (owner === null || plan === null || keyId === null) return { rateLimit: null, quota: null, refused: null }
  const reservation = await gateway.limits.reserve(exchange)
  const { admitted, count, isAway } = reservation
  const used = (count?.used ?? 0) - Number(admitted)
  if (admitted) gateway.limits.settle(reservation, 0)
  const level = gateway.limits.bucketLevel(exchange)
  const limit = plan.rateLimitPerMinute
  const isOverRate = limit > 0 && level.remaining < 1
  return {
    rateLimit:
      limit > 0
        ? { limit, remaining: level.remaining, resetAtMs: Math.ceil(receivedAtMs + level.resetAtMs - startedAtMs) }
        : null,
    quota:
      count && plan.requestsPerMonth > 0
        ? { mode: plan.quotaMode, limit: plan.requestsPerMonth, used, resetAtMs: count.resetAtMs }
        : null,
    refused: admitted ? (isOverRate ? overRate : null) : isAway ? limitsAway : overQuota,
  }
}

async function nearMisses({ tables, host, path, method, request }: Exchange): Promise<Explanation['nearMisses']> {
  if (tables === null || path === '') return []
  const lookup = (name: string): string | undefined => {
    const value: unknown = request.headers[name]
    return typeof value === 'string' ? value : undefined
  }
  const steps = explainRoutes(tables.routes, host, path, method, lookup, nearMissesMax)
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done) return step.value.verdicts.map(verdictOf)
    await immediate()
  }
}

function verdictOf({ route, misses, lostBy }: RouteVerdict): Explanation['nearMisses'][number] {
  const parts = misses.map((miss) => ({ part: miss.part, name: miss.part === 'header' ? miss.name : null }))
  return { id: route.config.id, name: route.config.name, misses: parts, lostBy }
}

/** With what must not be seen masked: the upstream's credentials, and the client's own. */
function upstreamHeaders({ upstream, upstreamHeaders: flat }: Exchange): [string, string][] {
  const secret = new Set(['authorization', 'cookie', 'proxy-authorization', upstream?.credential?.[0].toLowerCase()])
  const pairs: [string, string][] = []
  for (let i = 0; i < flat.length; i += 2) {
    pairs.push([flat[i]!, secret.has(flat[i]!.toLowerCase()) ? masked : flat[i + 1]!])
  }
  return pairs
}

function detailOf({ body }: Refusal): string | null {
  const { errors } = JSON.parse(body.toString()) as { errors: ErrorObject[] }
  return errors[0]?.detail ?? null
}
