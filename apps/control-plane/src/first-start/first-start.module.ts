import { Module } from '@nestjs/common'
import { ApiKeysModule } from '../resources/api-keys/index.ts'
import { PlansModule } from '../resources/plans/index.ts'
import { UsersModule } from '../resources/users/index.ts'
import { FirstStart } from './first-start.ts'

@Module({ imports: [ApiKeysModule, PlansModule, UsersModule], providers: [FirstStart], exports: [FirstStart] })
export class FirstStartModule {}
