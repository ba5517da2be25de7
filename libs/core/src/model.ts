/**
 * What a proxy worker needs to know of each resource: the shapes that snapshots and changes carry and that the pure
 * code of this package computes with. Times are Unix milliseconds. Ids are `<prefix>_<unique part>`.
 */

export type HostMatch = 'exact' | 'wildcard' | 'regex' | 'any'
export type PathMatch = 'exact' | 'prefix' | 'regex'
export type HeaderMatch = 'exact' | 'prefix' | 'regex' | 'present' | 'absent'
export type MeteringMode = 'request' | 'bytes' | 'response_field' | 'custom'
export type Protocol = 'http' | 'http_stream' | 'sse' | 'websocket'
export type QuotaMode = 'hard' | 'soft' | 'warn'
export type UserStatus = 'active' | 'pending' | 'suspended' | 'cancelled'
export type GroupStatus = 'active' | 'suspended'
export type UpstreamAuthType = 'none' | 'bearer' | 'header' | 'basic'

export interface HeaderCondition {
  /** Lower-case header name. */
  name: string
  match: HeaderMatch
  /** Absent for `present` and `absent`. */
  value?: string
}

export interface RouteConfig {
  id: string
  name: string
  /** Lower-case, without port and trailing dot; empty when `hostMatch` is `any`. */
  hostPattern: string
  hostMatch: HostMatch
  pathPattern: string
  pathMatch: PathMatch
  /** Upper-case; empty = all. */
  methods: string[]
  headers: HeaderCondition[]
  pathRewrite: string | null
  methodOverride: string | null
  meteringMode: MeteringMode
  meteringExpr: string | null
  protocol: Protocol
  priority: number
  authRequired: boolean
  enabled: boolean
  upstreamId: string
  requestTransform: unknown
  responseTransform: unknown
  createdAtMs: number
}

export interface UpstreamTarget {
  url: string
  weight: number
}

/** A `GET` to each target, by each worker. */
export interface HealthCheckConfig {
  /** With the query, if it has one. */
  path: string
  intervalMs: number
  /** Checks in a row. */
  unhealthyAfter: number
  healthyAfter: number
}

export interface UpstreamConfig {
  id: string
  name: string
  baseUrl: string
  timeoutMs: number
  maxIdleConns: number
  idleConnTimeoutMs: number
  authType: UpstreamAuthType
  authHeader: string | null
  /** Sealed by `@apigate/platform` (AES-256-GCM); a worker opens it when it builds its tables. Null for `none`. */
  authValueSealed: string | null
  /** Where requests go instead of to the server of `baseUrl`, whose path still counts; empty = there. */
  targets: UpstreamTarget[]
  healthCheck: HealthCheckConfig | null
  /** Of one request, when no answer came. */
  retries: number
  enabled: boolean
}

export interface PlanConfig {
  id: string
  name: string
  /** 0 = unlimited. */
  rateLimitPerMinute: number
  /** Bucket capacity in tokens; null = `rateLimitPerMinute`. */
  burst: number | null
  /** Metered units per calendar month (UTC); 0 = unlimited. */
  requestsPerMonth: number
  quotaMode: QuotaMode
  quotaGracePercent: number
}

export interface UserConfig {
  id: string
  status: UserStatus
  planId: string
}

export interface GroupConfig {
  id: string
  status: GroupStatus
  planId: string
}

export interface KeyConfig {
  id: string
  /** SHA-256 of the whole key, base64 (44 characters). */
  digest: string
  /** First 12 characters of the key. */
  prefix: string
  userId: string | null
  groupId: string | null
  scopes: string[]
  expiresAtMs: number | null
  revokedAtMs: number | null
}

/** One resource as a proxy sees it, by kind. */
export interface ConfigByKind {
  plan: PlanConfig
  user: UserConfig
  group: GroupConfig
  key: KeyConfig
  upstream: UpstreamConfig
  route: RouteConfig
}
export type ConfigKind = keyof ConfigByKind

/** One step of a change: a resource as it is from this revision on, or its end. */
export type ConfigItem =
  | { [K in ConfigKind]: { kind: K; op: 'put'; value: ConfigByKind[K] } }[ConfigKind]
  | { kind: ConfigKind; op: 'delete'; id: string }
