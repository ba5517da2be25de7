import type { Logger, Sealer } from '@apigate/platform'
import { Module } from '@nestjs/common'
import type { ControlPlaneConfig } from '../config.ts'
import { WebhooksModule, WebhooksService } from '../resources/webhooks/index.ts'
import { CONFIG, LOG, SEALER } from '../settings.module.ts'
import { TargetGuard } from '../webhook-target/index.ts'
import { WebhookDeliveriesRepository } from './deliveries.repository.ts'
import { deliveryPolicy } from './delivery.policy.ts'
import { WebhookDelivery } from './webhook.delivery.ts'

const dayMs = 86_400_000

@Module({
  // For what disables a webhook; its controllers have no server here.
  imports: [WebhooksModule],
  providers: [
    WebhookDeliveriesRepository,
    {
      provide: WebhookDelivery,
      inject: [WebhookDeliveriesRepository, WebhooksService, TargetGuard, SEALER, CONFIG, LOG],
      useFactory: (
        deliveries: WebhookDeliveriesRepository,
        webhooks: WebhooksService,
        guard: TargetGuard,
        sealer: Sealer,
        config: ControlPlaneConfig,
        log: Logger,
      ) => {
        const policy = { ...deliveryPolicy, disableAfterMs: config.webhookDisableDays * dayMs }
        return new WebhookDelivery(deliveries, webhooks, guard, sealer, config, log, policy)
      },
    },
  ],
  exports: [WebhookDelivery],
})
export class WebhookDeliveryModule {}
