import { Module } from '@nestjs/common'
import { AuditModule } from '../audit/index.ts'
import { AuthModule } from '../auth/index.ts'
import { ApiKeysModule } from '../resources/api-keys/index.ts'
import { SessionsModule } from '../resources/sessions/index.ts'
import { UsersModule } from '../resources/users/index.ts'
import { SignInController } from './sign-in.controller.ts'
import { SignInRepository } from './sign-in.repository.ts'
import { SignInService } from './sign-in.service.ts'
import { SignInThrottle } from './sign-in.throttle.ts'

@Module({
  imports: [AuditModule, AuthModule, ApiKeysModule, SessionsModule, UsersModule],
  controllers: [SignInController],
  providers: [SignInRepository, SignInService, SignInThrottle],
})
export class SignInModule {}
