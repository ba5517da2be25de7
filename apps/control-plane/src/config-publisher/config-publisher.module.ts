import { Module, type DynamicModule } from '@nestjs/common'
import { Database } from '../persistence/index.ts'
import { ConfigPublisher, type ConfigPublisherOptions } from './config.publisher.ts'

@Module({})
export class ConfigPublisherModule {
  static publish(options: ConfigPublisherOptions): DynamicModule {
    return {
      module: ConfigPublisherModule,
      providers: [
        {
          provide: ConfigPublisher,
          inject: [Database],
          useFactory: (database: Database) => new ConfigPublisher(database, options),
        },
      ],
      exports: [ConfigPublisher],
    }
  }
}
