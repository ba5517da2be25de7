import type { Logger } from '@apigate/platform'
import { Module, type DynamicModule } from '@nestjs/common'
import { ConfigPublisherModule } from './config-publisher/index.ts'
import type { ControlPlaneConfig } from './config.ts'
import { HealthRepository } from './health/index.ts'
import { HousekeepingModule } from './housekeeping/index.ts'
import { JobsStatus } from './jobs.status.ts'
import { BacklogRepository } from './metrics/index.ts'
import { PersistenceModule } from './persistence/index.ts'
import { SettingsModule } from './settings.module.ts'
import { UpstreamHealthModule } from './upstream-health/index.ts'
import { UsageIngestModule } from './usage-ingest/index.ts'
import { WebhookDeliveryModule } from './webhook-delivery/index.ts'

/** The jobs process. */
@Module({})
export class JobsModule {
  static provide(config: ControlPlaneConfig, log: Logger): DynamicModule {
    return {
      module: JobsModule,
      imports: [
        SettingsModule.provide(config, log),
        PersistenceModule.connect(config.databaseUrl),
        ConfigPublisherModule,
        UsageIngestModule,
        WebhookDeliveryModule,
        UpstreamHealthModule,
        HousekeepingModule,
      ],
      providers: [HealthRepository, BacklogRepository, JobsStatus],
    }
  }
}
