import type { UserStatus } from '@apigate/core'
import { passwordProblem, passwordSchema } from '../../auth/index.ts'
import { EmailAddress, OneOf, Reference, Required, rule, Text } from '../../jsonapi/index.ts'

export const userStatuses = ['active', 'pending', 'suspended', 'cancelled'] as const satisfies UserStatus[]

export const userRoles = ['customer', 'admin'] as const
export type UserRole = (typeof userRoles)[number]

export class UserInput {
  @Required() @EmailAddress() email?: string
  @Text({ max: 200 }) name?: string
  @OneOf(userStatuses) status?: UserStatus
  @Reference() plan_id?: string
  @OneOf(userRoles) role?: UserRole
  @NewPassword({ nullable: true }) password?: string | null
}

/** A password to store. */
export function NewPassword({ nullable }: { nullable?: boolean } = {}): PropertyDecorator {
  return rule(nullable, passwordSchema, passwordProblem)
}
