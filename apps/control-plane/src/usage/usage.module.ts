import { Module } from '@nestjs/common'
import { MeterController } from './meter.controller.ts'
import { MeterRepository } from './meter.repository.ts'
import { MeterService } from './meter.service.ts'
import { UsageController } from './usage.controller.ts'
import { UsageRepository } from './usage.repository.ts'
import { UsageService } from './usage.service.ts'

@Module({
  controllers: [UsageController, MeterController],
  providers: [UsageRepository, UsageService, MeterRepository, MeterService],
  exports: [MeterService],
})
export class UsageModule {}
