import { defineResource } from '../../jsonapi/index.ts'
import type { ConfigRevisionRow } from './config-revisions.repository.ts'

/** A revision is named by its number: it has no prefix. */
export const configRevisionResource = defineResource<ConfigRevisionRow>({
  type: 'config_revisions',
  path: '/api/config-revisions',
  idPrefix: '',
  attributes: {
    revision: { kind: 'bigint' },
    actor_type: { kind: 'text' },
    actor_id: { kind: 'text', nullable: true },
    request_id: { kind: 'text', nullable: true },
    touched: { kind: 'json' },
    changes: { kind: 'json', nullable: true },
    created_at: { kind: 'timestamp' },
  },
})
