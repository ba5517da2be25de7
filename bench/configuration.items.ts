import { createHash } from 'node:crypto'
import type { ConfigItem, RouteConfig } from '@apigate/core'
import { clearKey } from './requests.ts'

const id = (prefix: string, n: number): string => `${prefix}_${String(n).padStart(26, '0')}`

/** A configuration of so many keys, of half as many users, and routes, table by table in the order of a snapshot. */
export function configurationTables({ routes, keys }: { routes: number; keys: number }): Iterable<ConfigItem>[] {
  return [plans(), users(Math.ceil(keys / 2)), upstreams(), routesOf(routes), keysOf(keys)]
}

function* plans(): Generator<ConfigItem> {
  yield {
    kind: 'plan',
    op: 'put',
    value: {
      ...{ id: 'plan_bench', name: 'bench', rateLimitPerMinute: 60, burst: null, requestsPerMonth: 0 },
      ...{ quotaMode: 'hard', quotaGracePercent: 0 },
    },
  }
}

function* users(count: number): Generator<ConfigItem> {
  for (let n = 0; n < count; n++) {
    yield { kind: 'user', op: 'put', value: { id: id('usr', n), status: 'active', planId: 'plan_bench' } }
  }
}

function* upstreams(): Generator<ConfigItem> {
  yield {
    kind: 'upstream',
    op: 'put',
    value: {
      ...{ id: 'ups_bench', name: 'bench', baseUrl: 'http://127.0.0.1:9', timeoutMs: 30_000, maxIdleConns: 100 },
      ...{ idleConnTimeoutMs: 90_000, authType: 'none', authHeader: null, authValueSealed: null, targets: [] },
      ...{ healthCheck: null, retries: 0, enabled: true },
    },
  }
}

function* routesOf(count: number): Generator<ConfigItem> {
  for (let n = 0; n < count; n++) {
    // Through JSON, as it comes: no text is shared between routes.
    const route = {
      ...{ id: id('rte', n), name: `service ${n}`, hostPattern: `h${n % 1_000}.example.com`, hostMatch: 'exact' },
      ...{ pathPattern: `/api/service-${n}/*`, pathMatch: 'prefix', methods: ['GET', 'POST'], headers: [] },
      ...{ pathRewrite: null, methodOverride: null, meteringMode: 'request', meteringExpr: null, protocol: 'http' },
      ...{ priority: 0, authRequired: true, enabled: true, upstreamId: 'ups_bench', requestTransform: null },
      ...{ responseTransform: null, createdAtMs: 1_700_000_000_000 },
    }
    yield { kind: 'route', op: 'put', value: JSON.parse(JSON.stringify(route)) as RouteConfig }
  }
}

function* keysOf(count: number): Generator<ConfigItem> {
  for (let n = 0; n < count; n++) {
    const clear = clearKey(n)
    const digest = createHash('sha256').update(clear).digest('base64')
    const value = { id: id('key', n), digest, prefix: clear.slice(0, 12), userId: id('usr', n >> 1), groupId: null }
    yield { kind: 'key', op: 'put', value: { ...value, scopes: [], expiresAtMs: null, revokedAtMs: null } }
  }
}
