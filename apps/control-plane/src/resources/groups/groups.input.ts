import type { GroupStatus } from '@apigate/core'
import { EmailAddress, OneOf, Reference, Required, Text } from '../../jsonapi/index.ts'

export const groupStatuses = ['active', 'suspended'] as const satisfies GroupStatus[]
export const groupRoles = ['owner', 'admin', 'member'] as const
export type GroupRole = (typeof groupRoles)[number]

export const slugMax = 100

export class GroupInput {
  @Required() @Text({ min: 1, max: 200 }) name?: string
  /** Made from the name when it is not given. */
  @Text({ min: 1, max: slugMax, pattern: [/^[a-z0-9-]+$/, 'must be of lower-case letters a to z, digits and "-"'] })
  slug?: string
  @Text({ max: 2000 }) description?: string
  @EmailAddress({ nullable: true }) billing_email?: string | null
  @OneOf(groupStatuses) status?: GroupStatus
  @Required() @Reference() owner_id?: string
  @Reference() plan_id?: string
}

export class MemberInput {
  @Reference() group_id?: string
  @Required() @Reference() user_id?: string
  @OneOf(groupRoles) role?: GroupRole
}

/** A member stays that of one user and one group. */
export class MemberChanges {
  @OneOf(groupRoles) role?: GroupRole
}
