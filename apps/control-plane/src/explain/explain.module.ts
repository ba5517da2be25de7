import { Module } from '@nestjs/common'
import { FleetModule } from '../fleet/index.ts'
import { ExplainController } from './explain.controller.ts'
import { ExplainService } from './explain.service.ts'

@Module({ imports: [FleetModule], controllers: [ExplainController], providers: [ExplainService] })
export class ExplainModule {}
