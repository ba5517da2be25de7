import type { Logger } from '@apigate/platform'
import { Module } from '@nestjs/common'
import type { ControlPlaneConfig } from '../config.ts'
import { Database } from '../persistence/index.ts'
import { CONFIG, LOG } from '../settings.module.ts'
import { ConfigPublisher } from './config.publisher.ts'

@Module({
  providers: [
    {
      provide: ConfigPublisher,
      inject: [Database, CONFIG, LOG],
      useFactory: (database: Database, config: ControlPlaneConfig, log: Logger) =>
        new ConfigPublisher(database, config, log),
    },
  ],
  exports: [ConfigPublisher],
})
export class ConfigPublisherModule {}
