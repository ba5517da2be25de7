import { defineResource } from '../../jsonapi/index.ts'
import { groupResource } from '../groups/index.ts'
import { userResource } from '../users/index.ts'
import type { ApiKeyRow } from './api-keys.repository.ts'

export const apiKeyResource = defineResource<ApiKeyRow>({
  type: 'api_keys',
  path: '/api/api-keys',
  idPrefix: 'key',
  attributes: {
    name: { kind: 'text' },
    prefix: { kind: 'text' },
    scopes: { kind: 'list' },
    expires_at: { kind: 'timestamp', nullable: true, mostly: null },
    last_used: { kind: 'timestamp', nullable: true },
    revoked_at: { kind: 'timestamp', nullable: true, mostly: null },
    rotated_from_id: { kind: 'text', nullable: true },
    created_at: { kind: 'timestamp' },
  },
  relationships: {
    user: { target: () => userResource, nullable: true },
    group: { target: () => groupResource, nullable: true },
  },
  cursor: true,
  counted: true,
})
