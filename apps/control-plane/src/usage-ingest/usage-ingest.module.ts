import { Module, type DynamicModule } from '@nestjs/common'
import { Database } from '../persistence/index.ts'
import { UsageIngest, type UsageIngestConnections } from './usage.ingest.ts'
import { UsageLedger } from './usage.ledger.ts'

@Module({})
export class UsageIngestModule {
  static consume(connections: UsageIngestConnections): DynamicModule {
    return {
      module: UsageIngestModule,
      providers: [
        UsageLedger,
        {
          provide: UsageIngest,
          inject: [UsageLedger, Database],
          useFactory: (ledger: UsageLedger, database: Database) => new UsageIngest(ledger, database, connections),
        },
      ],
    }
  }
}
