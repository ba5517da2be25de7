import { Module } from '@nestjs/common'
import { AuditModule } from '../audit/index.ts'
import { ApiKeysModule } from '../resources/api-keys/index.ts'
import { GroupsModule } from '../resources/groups/index.ts'
import { PlansModule } from '../resources/plans/index.ts'
import { RoutesModule } from '../resources/routes/index.ts'
import { UpstreamsModule } from '../resources/upstreams/index.ts'
import { UsersModule } from '../resources/users/index.ts'
import { WebhooksModule } from '../resources/webhooks/index.ts'
import { OperationsController } from './operations.controller.ts'
import { OperationsService } from './operations.service.ts'

@Module({
  imports: [
    AuditModule,
    PlansModule,
    UsersModule,
    ApiKeysModule,
    GroupsModule,
    UpstreamsModule,
    RoutesModule,
    WebhooksModule,
  ],
  controllers: [OperationsController],
  providers: [OperationsService],
})
export class OperationsModule {}
