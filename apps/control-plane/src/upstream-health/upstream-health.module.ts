import type { Logger } from '@apigate/platform'
import { Module } from '@nestjs/common'
import { ConfigPublisher, ConfigPublisherModule } from '../config-publisher/index.ts'
import type { ControlPlaneConfig } from '../config.ts'
import { CONFIG, LOG } from '../settings.module.ts'
import { UpstreamHealthRepository } from './upstream-health.repository.ts'
import { UpstreamWatch } from './upstream.watch.ts'

@Module({
  imports: [ConfigPublisherModule],
  providers: [
    UpstreamHealthRepository,
    {
      provide: UpstreamWatch,
      inject: [UpstreamHealthRepository, ConfigPublisher, CONFIG, LOG],
      useFactory: (
        repository: UpstreamHealthRepository,
        publisher: ConfigPublisher,
        config: ControlPlaneConfig,
        log: Logger,
      ) => new UpstreamWatch(repository, () => publisher.state.role === 'owner', config, log),
    },
  ],
})
export class UpstreamHealthModule {}
