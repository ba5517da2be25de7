import { defineResource } from '../../jsonapi/index.ts'
import { upstreamAuthTypes } from './upstreams.input.ts'
import type { UpstreamRow } from './upstreams.repository.ts'

export const upstreamResource = defineResource<UpstreamRow>({
  type: 'upstreams',
  path: '/api/upstreams',
  idPrefix: 'ups',
  attributes: {
    name: { kind: 'text' },
    description: { kind: 'text' },
    base_url: { kind: 'text' },
    timeout_ms: { kind: 'integer' },
    max_idle_conns: { kind: 'integer' },
    idle_conn_timeout_ms: { kind: 'integer' },
    auth_type: { kind: 'enum', values: upstreamAuthTypes },
    auth_header: { kind: 'text', nullable: true },
    targets: { kind: 'json' },
    health_check: { kind: 'json' },
    retries: { kind: 'integer' },
    enabled: { kind: 'boolean' },
    created_at: { kind: 'timestamp' },
    updated_at: { kind: 'timestamp' },
  },
  secrets: { auth_value: 'authValueSealed' },
})
