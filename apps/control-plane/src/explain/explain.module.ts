import { Module } from '@nestjs/common'
import { FleetModule } from '../fleet/index.ts'
import { ApiKeysModule } from '../resources/api-keys/index.ts'
import { ExplainController } from './explain.controller.ts'
import { ExplainService } from './explain.service.ts'

@Module({ imports: [ApiKeysModule, FleetModule], controllers: [ExplainController], providers: [ExplainService] })
export class ExplainModule {}
