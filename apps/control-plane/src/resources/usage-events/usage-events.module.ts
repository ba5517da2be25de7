import { Module } from '@nestjs/common'
import { relationshipReads } from '../../jsonapi/index.ts'
import { UsageEventsController } from './usage-events.controller.ts'
import { UsageEventsRepository } from './usage-events.repository.ts'
import { usageEventResource } from './usage-events.resource.ts'
import { UsageEventsService } from './usage-events.service.ts'

@Module({
  controllers: [UsageEventsController, relationshipReads(usageEventResource, UsageEventsService)],
  providers: [UsageEventsRepository, UsageEventsService],
})
export class UsageEventsModule {}
