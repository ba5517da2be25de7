import { Module } from '@nestjs/common'
import { AuditModule } from '../../audit/index.ts'
import { PlansController } from './plans.controller.ts'
import { PlansRepository } from './plans.repository.ts'
import { PlansService } from './plans.service.ts'

@Module({
  imports: [AuditModule],
  controllers: [PlansController],
  providers: [PlansRepository, PlansService],
  exports: [PlansService],
})
export class PlansModule {}
