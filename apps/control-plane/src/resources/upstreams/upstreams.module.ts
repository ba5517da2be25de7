import { Module } from '@nestjs/common'
import { AuditModule } from '../../audit/index.ts'
import { UpstreamsController } from './upstreams.controller.ts'
import { UpstreamsRepository } from './upstreams.repository.ts'
import { UpstreamsService } from './upstreams.service.ts'

@Module({
  imports: [AuditModule],
  controllers: [UpstreamsController],
  providers: [UpstreamsRepository, UpstreamsService],
  exports: [UpstreamsService],
})
export class UpstreamsModule {}
