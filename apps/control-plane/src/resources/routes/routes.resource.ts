import { defineResource } from '../../jsonapi/index.ts'
import { upstreamResource } from '../upstreams/index.ts'
import { hostMatchTypes, meteringModes, pathMatchTypes, protocols } from './routes.input.ts'
import type { RouteRow } from './routes.repository.ts'

export const routeResource = defineResource<RouteRow>({
  type: 'routes',
  path: '/api/routes',
  idPrefix: 'rte',
  attributes: {
    name: { kind: 'text' },
    description: { kind: 'text' },
    host_pattern: { kind: 'text' },
    host_match_type: { kind: 'enum', values: hostMatchTypes, nullable: true },
    path_pattern: { kind: 'text' },
    match_type: { kind: 'enum', values: pathMatchTypes },
    methods: { kind: 'list' },
    headers: { kind: 'json' },
    path_rewrite: { kind: 'text', nullable: true },
    method_override: { kind: 'text', nullable: true },
    metering_expr: { kind: 'text', nullable: true },
    metering_mode: { kind: 'enum', values: meteringModes },
    protocol: { kind: 'enum', values: protocols },
    priority: { kind: 'integer' },
    auth_required: { kind: 'boolean' },
    enabled: { kind: 'boolean' },
    request_transform: { kind: 'json' },
    response_transform: { kind: 'json' },
    created_at: { kind: 'timestamp' },
    updated_at: { kind: 'timestamp' },
  },
  relationships: { upstream: { target: () => upstreamResource } },
})
