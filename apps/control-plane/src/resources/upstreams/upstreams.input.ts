import type { UpstreamAuthType } from '@apigate/core'
import { Flag, Integer, OneOf, Required, rule, Text } from '../../jsonapi/index.ts'
import { HealthCheck, Targets, urlProblem, type HealthCheckInput, type TargetInput } from './upstream-targets.ts'

export const upstreamAuthTypes = ['none', 'bearer', 'header', 'basic'] as const satisfies UpstreamAuthType[]

export class UpstreamInput {
  @Required() @Text({ min: 1, max: 100 }) name?: string
  @Text({ max: 2000 }) description?: string
  @Required() @BaseUrl() base_url?: string
  @Integer({ min: 1, max: 600_000 }) timeout_ms?: number
  @Integer({ min: 0, max: 100_000 }) max_idle_conns?: number
  @Integer({ min: 0, max: 3_600_000 }) idle_conn_timeout_ms?: number
  @OneOf(upstreamAuthTypes) auth_type?: UpstreamAuthType
  @HeaderName() auth_header?: string | null
  /** Write-only: the token, the header's value, or `user:password`. */
  @HeaderValue() auth_value?: string | null
  @Targets() targets?: TargetInput[]
  @HealthCheck() health_check?: HealthCheckInput | null
  @Integer({ min: 0, max: 5 }) retries?: number
  @Flag() enabled?: boolean
}

function BaseUrl(): PropertyDecorator {
  const schema = { type: 'string', maxLength: 2000, pattern: '^[Hh][Tt][Tt][Pp][Ss]?://[^?#]+$' }
  return rule(false, schema, urlProblem)
}

/** Those frame the message or belong to the proxy (RFC 9110 §7.6.1). */
const ownHeaders =
  /^(host|content-length|transfer-encoding|connection|keep-alive|te|trailer|upgrade|proxy-connection|expect|via)$/i

function HeaderName(): PropertyDecorator {
  const name = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/
  return rule(true, { type: 'string', pattern: name.source }, (value) => {
    if (typeof value !== 'string' || !name.test(value)) return 'must be a header name'
    return ownHeaders.test(value) ? 'is a header that the proxy sets itself' : null
  })
}

function HeaderValue(): PropertyDecorator {
  const visible = /^[\x20-\x7e]{1,4096}$/
  return rule(true, { type: 'string', writeOnly: true, pattern: visible.source }, (value) =>
    typeof value === 'string' && visible.test(value) ? null : 'must be 1 to 4096 visible ASCII characters',
  )
}
