import { Module } from '@nestjs/common'
import { AdminKeysRepository } from './admin-keys.repository.ts'
import { Authenticator } from './authenticator.ts'

@Module({ providers: [AdminKeysRepository, Authenticator], exports: [Authenticator] })
export class AuthModule {}
