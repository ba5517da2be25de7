import { defineResource } from '../../jsonapi/index.ts'
import { planResource } from '../plans/index.ts'
import { userRoles, userStatuses } from './users.input.ts'
import type { UserRow } from './users.repository.ts'

export const userResource = defineResource<UserRow>({
  type: 'users',
  path: '/api/users',
  idPrefix: 'usr',
  attributes: {
    email: { kind: 'text' },
    name: { kind: 'text' },
    status: { kind: 'enum', values: userStatuses, mostly: 'active' },
    role: { kind: 'enum', values: userRoles },
    plan_id: { kind: 'text' },
    trial_ends_at: { kind: 'timestamp', nullable: true },
    created_at: { kind: 'timestamp' },
    updated_at: { kind: 'timestamp' },
  },
  relationships: { plan: { target: () => planResource } },
  secrets: { password: 'passwordHash' },
  cursor: true,
  counted: true,
})
