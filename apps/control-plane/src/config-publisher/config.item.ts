import type { ConfigItem, HeaderCondition, HealthCheckConfig, UpstreamTarget } from '@apigate/core'
import type { ApiKey, Group, Plan, Route, Upstream, User } from '../persistence/generated/client.ts'

/**
 * Rows as workers see them. Changes and snapshots are both made here, so that a worker holds the same configuration
 * whichever way it came. Each function takes only the columns that it reads; what is not named never leaves the database.
 */

export type PlanRow = Pick<
  Plan,
  'id' | 'name' | 'rateLimitPerMinute' | 'burst' | 'requestsPerMonth' | 'quotaMode' | 'quotaGracePercent'
>
export type UserRow = Pick<User, 'id' | 'status' | 'planId'>
export type GroupRow = Pick<Group, 'id' | 'status' | 'planId'>
export type KeyRow = Pick<
  ApiKey,
  'id' | 'digest' | 'prefix' | 'userId' | 'groupId' | 'scopes' | 'expiresAt' | 'revokedAt'
>
export type UpstreamRow = Omit<Upstream, 'description' | 'createdAt' | 'updatedAt'>
export type RouteRow = Omit<Route, 'description' | 'updatedAt'>

export function planItem(row: PlanRow): ConfigItem {
  return {
    kind: 'plan',
    op: 'put',
    value: {
      id: row.id,
      name: row.name,
      rateLimitPerMinute: row.rateLimitPerMinute,
      burst: row.burst,
      requestsPerMonth: Number(row.requestsPerMonth),
      quotaMode: row.quotaMode,
      quotaGracePercent: row.quotaGracePercent,
    },
  }
}

export function userItem(row: UserRow): ConfigItem {
  return { kind: 'user', op: 'put', value: { id: row.id, status: row.status, planId: row.planId } }
}

export function groupItem(row: GroupRow): ConfigItem {
  return { kind: 'group', op: 'put', value: { id: row.id, status: row.status, planId: row.planId } }
}

export function keyItem(row: KeyRow): ConfigItem {
  return {
    kind: 'key',
    op: 'put',
    value: {
      id: row.id,
      digest: Buffer.from(row.digest).toString('base64'),
      prefix: row.prefix,
      userId: row.userId,
      groupId: row.groupId,
      scopes: row.scopes,
      expiresAtMs: row.expiresAt?.getTime() ?? null,
      revokedAtMs: row.revokedAt?.getTime() ?? null,
    },
  }
}

export function upstreamItem(row: UpstreamRow): ConfigItem {
  return {
    kind: 'upstream',
    op: 'put',
    value: {
      id: row.id,
      name: row.name,
      baseUrl: row.baseUrl,
      timeoutMs: row.timeoutMs,
      maxIdleConns: row.maxIdleConns,
      idleConnTimeoutMs: row.idleConnTimeoutMs,
      authType: row.authType,
      authHeader: row.authHeader,
      authValueSealed: row.authValueSealed,
      targets: (row.targets as unknown as StoredTarget[]).map(({ url, weight = 1 }) => ({ url, weight })),
      healthCheck: healthCheck(row.healthCheck as unknown as StoredHealthCheck | null),
      retries: row.retries,
      enabled: row.enabled,
    },
  }
}

export function routeItem(row: RouteRow): ConfigItem {
  return {
    kind: 'route',
    op: 'put',
    value: {
      id: row.id,
      name: row.name,
      hostPattern: row.hostPattern,
      hostMatch: row.hostMatchType ?? 'any',
      pathPattern: row.pathPattern,
      pathMatch: row.matchType,
      methods: row.methods,
      headers: (row.headers as unknown as StoredHeaderCondition[]).map(headerCondition),
      pathRewrite: row.pathRewrite,
      methodOverride: row.methodOverride,
      meteringMode: row.meteringMode,
      meteringExpr: row.meteringExpr,
      protocol: row.protocol,
      priority: row.priority,
      authRequired: row.authRequired,
      enabled: row.enabled,
      upstreamId: row.upstreamId,
      requestTransform: row.requestTransform,
      responseTransform: row.responseTransform,
      createdAtMs: row.createdAt.getTime(),
    },
  }
}

/** As the client wrote them: what was left out has its default. */
type StoredTarget = Pick<UpstreamTarget, 'url'> & Partial<Pick<UpstreamTarget, 'weight'>>
interface StoredHealthCheck {
  path?: string
  interval_ms?: number
  unhealthy_after?: number
  healthy_after?: number
}

function healthCheck(stored: StoredHealthCheck | null): HealthCheckConfig | null {
  if (stored === null) return null
  const { path = '/', interval_ms: intervalMs = 10_000, unhealthy_after = 3, healthy_after = 2 } = stored
  return { path, intervalMs, unhealthyAfter: unhealthy_after, healthyAfter: healthy_after }
}

/** As the client wrote it; `match` may be left out and means `exact` then. */
type StoredHeaderCondition = Omit<HeaderCondition, 'match'> & Partial<Pick<HeaderCondition, 'match'>>

function headerCondition(stored: StoredHeaderCondition): HeaderCondition {
  const condition: HeaderCondition = { name: stored.name.toLowerCase(), match: stored.match ?? 'exact' }
  if (stored.value !== undefined) condition.value = stored.value
  return condition
}
