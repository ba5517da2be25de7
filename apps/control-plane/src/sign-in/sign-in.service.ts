import { ApiError, errorObject } from '@apigate/errors'
import type { Logger } from '@apigate/platform'
import { Inject, Injectable } from '@nestjs/common'
import { AuditedWrites } from '../audit/index.ts'
import { isOutdated, Passwords, systemActor, unauthorized, type Actor } from '../auth/index.ts'
import { InputError, type Written } from '../jsonapi/index.ts'
import { SessionsService, type SessionRow, type SessionStart } from '../resources/sessions/index.ts'
import { UsersService } from '../resources/users/index.ts'
import { LOG } from '../settings.module.ts'
import type { PasswordChangeInput, SignInInput } from './sign-in.input.ts'
import { SignInRepository, type Account } from './sign-in.repository.ts'
import { SignInThrottle } from './sign-in.throttle.ts'

/** From where somebody signs in. */
export type Client = Omit<SessionStart, 'userId'>

/**
 * Signing in, for active users with the role `admin`. Whatever is wrong (no such account, another role, not active, another
 * password), the answer is the same and takes as long: none of it can be found out by trying.
 */
@Injectable()
export class SignInService {
  constructor(
    private readonly repository: SignInRepository,
    private readonly throttle: SignInThrottle,
    private readonly passwords: Passwords,
    private readonly sessions: SessionsService,
    private readonly users: UsersService,
    private readonly writes: AuditedWrites,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  /** @throws ApiError 401, 429 */
  async signIn(
    { email, password }: SignInInput,
    client: Client,
  ): Promise<{ written: Written<SessionRow>; token: string }> {
    const attempt = { email, address: client.address }
    const account = await this.attempt(attempt, client, () => this.repository.findByEmail(email))
    const matches = await this.passwords.matches(password, account?.passwordHash ?? null)
    if (account === null || !matches || !maySignIn(account)) {
      const { address, requestId } = client
      this.log.warn({ address, request_id: requestId, userId: account?.id ?? null }, 'sign-in refused')
      throw wrongCredentials()
    }
    await this.throttle.succeed(attempt)
    const { passwordHash } = account
    const newHash = passwordHash !== null && isOutdated(passwordHash) ? await this.passwords.hash(password) : null
    return this.sessions.start({ ...client, userId: account.id }, async (tx) => {
      const now = await this.repository.lock(tx, account.id)
      // Suspended, or given another password, since it was read.
      if (now === null || !maySignIn(now) || now.passwordHash !== passwordHash) throw wrongCredentials()
      if (newHash !== null) await this.repository.setPasswordHash(tx, account.id, newHash)
    })
  }

  /** Ends every other session of the user. @throws InputError when the current password is another one. */
  async changePassword(input: PasswordChangeInput, actor: Actor): Promise<Written<unknown>> {
    const account = actor.id === null ? null : await this.repository.findById(actor.id)
    if (account === null) throw unauthorized('sign in first')
    const attempt = { email: account.email, address: actor.address ?? '' }
    await this.attempt(attempt, actor, () => Promise.resolve(account))
    if (!(await this.passwords.matches(input.current_password, account.passwordHash))) {
      throw InputError.of('validation_error', 'current_password', 'current_password is not your password')
    }
    await this.throttle.succeed(attempt)
    const update = { input: { password: input.new_password }, readOnly: new Map<string, unknown>() }
    return this.users.update(account.id, update, actor)
  }

  /** @throws ApiError 429, and notes it in the audit trail, once in a while. */
  private async attempt(
    attempt: { email: string; address: string },
    { requestId, address }: Pick<Actor, 'requestId' | 'address'>,
    find: () => Promise<Account | null>,
  ): Promise<Account | null> {
    const refusal = await this.throttle.begin(attempt)
    const account = await find()
    if (refusal === null) return account
    if (refusal.first) {
      await this.writes.run({ ...systemActor, requestId, address }, async () => {
        const target = { targetType: 'users', targetId: account?.id ?? '' }
        const entry = { action: 'sessions.throttle', ...target, before: null, after: { bound: refusal.bound } }
        return { row: null, audit: [entry], items: [] }
      })
    }
    const error = errorObject('rate_limit_exceeded', 'too many attempts to sign in')
    throw new ApiError([error], { 'retry-after': String(refusal.seconds) })
  }
}

function maySignIn({ role, status }: Account): boolean {
  return role === 'admin' && status === 'active'
}

function wrongCredentials(): ApiError {
  return unauthorized('the e-mail address or the password is wrong')
}
