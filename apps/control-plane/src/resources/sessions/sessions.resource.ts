import { defineResource } from '../../jsonapi/index.ts'
import { userResource } from '../users/index.ts'
import type { SessionRow } from './sessions.repository.ts'

export const sessionResource = defineResource<SessionRow>({
  type: 'sessions',
  path: '/api/sessions',
  idPrefix: 'ses',
  attributes: {
    address: { kind: 'text', nullable: true },
    user_agent: { kind: 'text', nullable: true },
    created_at: { kind: 'timestamp' },
    last_seen_at: { kind: 'timestamp' },
    expires_at: { kind: 'timestamp' },
  },
  relationships: { user: { target: () => userResource } },
})
