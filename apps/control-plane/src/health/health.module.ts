import { Module } from '@nestjs/common'
import { FirstStartModule } from '../first-start/index.ts'
import { FleetModule } from '../fleet/index.ts'
import { UsageModule } from '../usage/index.ts'
import { HealthController } from './health.controller.ts'
import { HealthRepository } from './health.repository.ts'
import { ReadinessCheck } from './readiness.ts'

@Module({
  imports: [FirstStartModule, FleetModule, UsageModule],
  controllers: [HealthController],
  providers: [HealthRepository, ReadinessCheck],
  exports: [ReadinessCheck],
})
export class HealthModule {}
