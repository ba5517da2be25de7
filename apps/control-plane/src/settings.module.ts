import { createSealer, type Logger } from '@apigate/platform'
import { Global, Module, type DynamicModule } from '@nestjs/common'
import type { ControlPlaneConfig } from './config.ts'

/** The process's `ControlPlaneConfig`. */
export const CONFIG = Symbol('CONFIG')
/** The process's `Logger`. */
export const LOG = Symbol('LOG')
/** The `Sealer` of what is stored encrypted. */
export const SEALER = Symbol('SEALER')

@Global()
@Module({})
export class SettingsModule {
  static provide(config: ControlPlaneConfig, log: Logger): DynamicModule {
    return {
      module: SettingsModule,
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: LOG, useValue: log },
        { provide: SEALER, useFactory: () => createSealer(config.encryptionKey) },
      ],
      exports: [CONFIG, LOG, SEALER],
    }
  }
}
