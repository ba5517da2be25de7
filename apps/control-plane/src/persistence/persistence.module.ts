import { Global, Module, type DynamicModule } from '@nestjs/common'
import { Database } from './database.ts'

@Global()
@Module({})
export class PersistenceModule {
  static connect(databaseUrl: string, statementMsMax?: number): DynamicModule {
    return {
      module: PersistenceModule,
      providers: [{ provide: Database, useFactory: () => new Database(databaseUrl, statementMsMax) }],
      exports: [Database],
    }
  }
}
