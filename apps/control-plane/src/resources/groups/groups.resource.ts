import { defineResource, type ResourceDefinition } from '../../jsonapi/index.ts'
import { planResource } from '../plans/index.ts'
import { userResource } from '../users/index.ts'
import { groupRoles, groupStatuses } from './groups.input.ts'
import type { GroupRow } from './groups.repository.ts'
import type { MemberRow } from './members.repository.ts'

export const groupResource: ResourceDefinition = defineResource<GroupRow>({
  type: 'groups',
  path: '/api/groups',
  idPrefix: 'grp',
  attributes: {
    name: { kind: 'text' },
    slug: { kind: 'text' },
    description: { kind: 'text' },
    billing_email: { kind: 'text', nullable: true },
    status: { kind: 'enum', values: groupStatuses },
    created_at: { kind: 'timestamp' },
    updated_at: { kind: 'timestamp' },
  },
  relationships: { owner: { target: () => userResource }, plan: { target: () => planResource } },
  toMany: { members: { target: () => memberResource, inverse: 'group' } },
})

export const memberResource: ResourceDefinition = defineResource<MemberRow>({
  type: 'group_members',
  path: '/api/group-members',
  idPrefix: 'gmb',
  attributes: {
    role: { kind: 'enum', values: groupRoles },
    created_at: { kind: 'timestamp' },
    updated_at: { kind: 'timestamp' },
  },
  relationships: { group: { target: () => groupResource }, user: { target: () => userResource } },
})
