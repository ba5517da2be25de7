import type { Logger } from '@apigate/platform'
import { Module } from '@nestjs/common'
import type { ControlPlaneConfig } from '../config.ts'
import { Database } from '../persistence/index.ts'
import { CONFIG, LOG } from '../settings.module.ts'
import { UsageIngest } from './usage.ingest.ts'

@Module({
  providers: [
    {
      provide: UsageIngest,
      inject: [Database, CONFIG, LOG],
      useFactory: (database: Database, config: ControlPlaneConfig, log: Logger) =>
        new UsageIngest(database, config, log),
    },
  ],
  exports: [UsageIngest],
})
export class UsageIngestModule {}
