import type { Logger } from '@apigate/platform'
import { Module, type DynamicModule } from '@nestjs/common'
import { APP_FILTER, APP_INTERCEPTOR } from '@nestjs/core'
import { AuthModule } from './auth/index.ts'
import type { ControlPlaneConfig } from './config.ts'
import { ConfigDocumentModule } from './config-document/index.ts'
import { ExplainModule } from './explain/index.ts'
import { FirstStartModule } from './first-start/index.ts'
import { FleetModule, WaitInterceptor } from './fleet/index.ts'
import { HealthModule } from './health/index.ts'
import { AnswerInterceptor, ErrorFilter } from './jsonapi/index.ts'
import { MetricsModule } from './metrics/index.ts'
import { OpenApiModule } from './openapi/index.ts'
import { OperationsModule } from './operations/index.ts'
import { PersistenceModule } from './persistence/index.ts'
import { ApiKeysModule } from './resources/api-keys/index.ts'
import { AuditEventsModule } from './resources/audit-events/index.ts'
import { ConfigRevisionsModule } from './resources/config-revisions/index.ts'
import { GroupsModule } from './resources/groups/index.ts'
import { PlansModule } from './resources/plans/index.ts'
import { RoutesModule } from './resources/routes/index.ts'
import { SessionsModule } from './resources/sessions/index.ts'
import { UpstreamsModule } from './resources/upstreams/index.ts'
import { UsageEventsModule } from './resources/usage-events/index.ts'
import { UsersModule } from './resources/users/index.ts'
import { WebhooksModule } from './resources/webhooks/index.ts'
import { LOG, SettingsModule } from './settings.module.ts'
import { SignInModule } from './sign-in/index.ts'
import { UsageModule } from './usage/index.ts'

/** A lock that somebody holds must not hold clients for ever: they get 503. */
const statementMsMax = 15_000

/** The API process. */
@Module({})
export class AppModule {
  static provide(config: ControlPlaneConfig, log: Logger): DynamicModule {
    return {
      module: AppModule,
      imports: [
        SettingsModule.provide(config, log),
        PersistenceModule.connect(config.databaseUrl, statementMsMax),
        AuthModule,
        FirstStartModule,
        HealthModule,
        MetricsModule,
        OpenApiModule,
        FleetModule,
        ExplainModule,
        PlansModule,
        UsersModule,
        GroupsModule,
        ApiKeysModule,
        UpstreamsModule,
        RoutesModule,
        UsageEventsModule,
        UsageModule,
        OperationsModule,
        AuditEventsModule,
        WebhooksModule,
        ConfigRevisionsModule,
        ConfigDocumentModule,
        SessionsModule,
        SignInModule,
      ],
      providers: [
        // The second is within the first: it sees what the controller answers.
        { provide: APP_INTERCEPTOR, useClass: AnswerInterceptor },
        { provide: APP_INTERCEPTOR, useClass: WaitInterceptor },
        { provide: APP_FILTER, useFactory: (log: Logger) => new ErrorFilter(log), inject: [LOG] },
      ],
    }
  }
}
