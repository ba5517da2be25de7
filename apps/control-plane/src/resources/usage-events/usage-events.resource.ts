import { defineResource } from '../../jsonapi/index.ts'
import { apiKeyResource } from '../api-keys/index.ts'
import { groupResource } from '../groups/index.ts'
import { routeResource } from '../routes/index.ts'
import { upstreamResource } from '../upstreams/index.ts'
import { userResource } from '../users/index.ts'
import type { UsageEventRow } from './usage-events.repository.ts'

/** The ledger outlives what it names: linkage stays, the related resource may be gone (`data: null`). */
export const usageEventResource = defineResource<UsageEventRow>({
  type: 'usage_events',
  path: '/api/usage-events',
  idPrefix: 'evt',
  attributes: {
    method: { kind: 'text' },
    path: { kind: 'text' },
    status_code: { kind: 'integer' },
    latency_ms: { kind: 'integer' },
    request_bytes: { kind: 'bigint' },
    response_bytes: { kind: 'bigint' },
    metered_units: { kind: 'bigint' },
    error_code: { kind: 'text', nullable: true },
    metering_error: { kind: 'text', nullable: true },
    request_id: { kind: 'text' },
    config_revision: { kind: 'bigint' },
    client_ip: { kind: 'text', nullable: true },
    trace_id: { kind: 'text', nullable: true },
    plan_id: { kind: 'text', nullable: true },
    created_at: { kind: 'timestamp' },
  },
  relationships: {
    user: { target: () => userResource, nullable: true },
    group: { target: () => groupResource, nullable: true },
    api_key: { target: () => apiKeyResource, nullable: true },
    route: { target: () => routeResource, nullable: true },
    upstream: { target: () => upstreamResource, nullable: true },
  },
  cursor: true,
})
