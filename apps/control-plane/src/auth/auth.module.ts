import { Module } from '@nestjs/common'
import { AdminKeysRepository } from './admin-keys.repository.ts'
import { Authenticator } from './authenticator.ts'
import { LiveSessionsRepository } from './live-sessions.repository.ts'
import { Origins } from './origins.ts'
import { Passwords } from './passwords.ts'
import { SessionAuthenticator } from './session.authenticator.ts'

/** Who calls, and whether they may; see sign-in/ for how one gets a session. */
@Module({
  providers: [AdminKeysRepository, Authenticator, LiveSessionsRepository, Origins, Passwords, SessionAuthenticator],
  exports: [Authenticator, Origins, Passwords],
})
export class AuthModule {}
