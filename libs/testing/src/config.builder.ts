import { createHash, randomBytes } from 'node:crypto'
import type { GroupConfig, KeyConfig, PlanConfig, RouteConfig, UpstreamConfig, UserConfig } from '@apigate/core'
import { newId } from '@apigate/platform'

/** Valid configuration with defaults as the control plane sets them; name what the test is about. */

export function aPlan(over: Partial<PlanConfig> = {}): PlanConfig {
  return {
    id: newId('plan'),
    name: 'a plan',
    rateLimitPerMinute: 60,
    burst: null,
    requestsPerMonth: 0,
    quotaMode: 'hard',
    quotaGracePercent: 0,
    ...over,
  }
}

export function aUser(over: Partial<UserConfig> & Pick<UserConfig, 'planId'>): UserConfig {
  return { id: newId('usr'), status: 'active', ...over }
}

export function aGroup(over: Partial<GroupConfig> & Pick<GroupConfig, 'planId'>): GroupConfig {
  return { id: newId('grp'), status: 'active', ...over }
}

/** A key and the clear text that a client sends. */
export function aKey(over: Partial<KeyConfig> = {}): { config: KeyConfig; clear: string } {
  const clear = `ak_${randomBytes(32).toString('hex')}`
  const config: KeyConfig = {
    id: newId('key'),
    digest: createHash('sha256').update(clear).digest('base64'),
    prefix: clear.slice(0, 12),
    userId: null,
    groupId: null,
    scopes: [],
    expiresAtMs: null,
    revokedAtMs: null,
    ...over,
  }
  return { config, clear }
}

export function anUpstream(over: Partial<UpstreamConfig> = {}): UpstreamConfig {
  return {
    id: newId('ups'),
    name: 'an upstream',
    baseUrl: 'http://127.0.0.1:9',
    timeoutMs: 30_000,
    maxIdleConns: 100,
    idleConnTimeoutMs: 90_000,
    authType: 'none',
    authHeader: null,
    authValueSealed: null,
    targets: [],
    healthCheck: null,
    retries: 0,
    enabled: true,
    ...over,
  }
}

export function aRoute(over: Partial<RouteConfig> = {}): RouteConfig {
  return {
    id: newId('rte'),
    name: 'a route',
    hostPattern: '',
    hostMatch: 'any',
    pathPattern: '/',
    pathMatch: 'prefix',
    methods: [],
    headers: [],
    pathRewrite: null,
    methodOverride: null,
    meteringMode: 'request',
    meteringExpr: null,
    protocol: 'http',
    priority: 0,
    authRequired: true,
    enabled: true,
    upstreamId: 'ups_none',
    requestTransform: null,
    responseTransform: null,
    createdAtMs: 1_700_000_000_000,
    ...over,
  }
}
