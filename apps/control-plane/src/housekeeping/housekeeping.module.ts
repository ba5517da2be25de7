import type { Logger } from '@apigate/platform'
import { Module } from '@nestjs/common'
import type { ControlPlaneConfig } from '../config.ts'
import { CONFIG, LOG } from '../settings.module.ts'
import { Housekeeping } from './housekeeping.ts'
import { HousekeepingRepository } from './housekeeping.repository.ts'

@Module({
  providers: [
    HousekeepingRepository,
    {
      provide: Housekeeping,
      inject: [HousekeepingRepository, CONFIG, LOG],
      useFactory: (repository: HousekeepingRepository, config: ControlPlaneConfig, log: Logger) =>
        new Housekeeping(repository, config, log),
    },
  ],
})
export class HousekeepingModule {}
