import { Required, Text } from '../jsonapi/index.ts'
import { NewPassword } from '../resources/users/index.ts'

/** Bounded, not judged: only what is stored has to be a good password. */
const passwordMax = 256

export class SignInInput {
  @Required() @Text({ max: 254 }) email!: string
  @Required() @Text({ max: passwordMax }) password!: string
}

export class PasswordChangeInput {
  @Required() @Text({ max: passwordMax }) current_password!: string
  @Required() @NewPassword() new_password!: string
}
