import type { UserStatus } from '@apigate/core'
import { isEmail } from 'class-validator'
import { OneOf, Reference, Required, rule, Text } from '../../jsonapi/index.ts'

export const userStatuses = ['active', 'pending', 'suspended', 'cancelled'] as const satisfies UserStatus[]

export class UserInput {
  @Required() @EmailAddress() email?: string
  @Text({ max: 200 }) name?: string
  @OneOf(userStatuses) status?: UserStatus
  @Reference() plan_id?: string
}

function EmailAddress(): PropertyDecorator {
  return rule(false, { type: 'string', maxLength: 254, pattern: '^.+@.+$' }, (value) =>
    typeof value === 'string' && value.length <= 254 && isEmail(value)
      ? null
      : 'must be an e-mail address of at most 254 characters',
  )
}
