import { Module } from '@nestjs/common'
import { AuditModule } from '../../audit/index.ts'
import type { ControlPlaneConfig } from '../../config.ts'
import { relationshipReads, toManyEndpoints } from '../../jsonapi/index.ts'
import { CONFIG } from '../../settings.module.ts'
import { TargetGuard } from '../../webhook-target/index.ts'
import { DeliveriesController } from './deliveries.controller.ts'
import { DeliveriesRepository } from './deliveries.repository.ts'
import { DeliveriesService } from './deliveries.service.ts'
import { WebhooksController } from './webhooks.controller.ts'
import { WebhooksRepository } from './webhooks.repository.ts'
import { deliveryResource, webhookResource } from './webhooks.resource.ts'
import { WebhooksService } from './webhooks.service.ts'

@Module({
  imports: [AuditModule],
  controllers: [
    WebhooksController,
    DeliveriesController,
    toManyEndpoints(webhookResource, 'deliveries', WebhooksService, DeliveriesService),
    relationshipReads(deliveryResource, DeliveriesService),
  ],
  providers: [
    WebhooksRepository,
    WebhooksService,
    DeliveriesRepository,
    DeliveriesService,
    {
      provide: TargetGuard,
      inject: [CONFIG],
      useFactory: ({ webhookAllow }: ControlPlaneConfig) => new TargetGuard(webhookAllow),
    },
  ],
  exports: [WebhooksService, TargetGuard],
})
export class WebhooksModule {}
