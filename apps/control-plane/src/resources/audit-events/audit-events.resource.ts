import { defineResource } from '../../jsonapi/index.ts'
import type { AuditEventRow } from './audit-events.repository.ts'

/** No relationships: a trail outlives what it names. `filter[actor]` and `filter[target]` take ids. */
export const auditEventResource = defineResource<AuditEventRow>({
  type: 'audit_events',
  path: '/api/audit-events',
  idPrefix: 'aud',
  attributes: {
    actor_type: { kind: 'enum', values: ['api_key', 'user', 'system'] },
    actor_id: { kind: 'text', nullable: true },
    action: { kind: 'text' },
    target_type: { kind: 'text' },
    target_id: { kind: 'text' },
    before: { kind: 'json', nullable: true },
    after: { kind: 'json', nullable: true },
    request_id: { kind: 'text', nullable: true },
    address: { kind: 'text', nullable: true },
    config_revision: { kind: 'bigint', nullable: true },
    created_at: { kind: 'timestamp' },
  },
  cursor: true,
  counted: true,
})
