import { Module } from '@nestjs/common'
import { AuditModule } from '../../audit/index.ts'
import { relationshipReads, relationshipWrites } from '../../jsonapi/index.ts'
import { UpstreamsModule } from '../upstreams/index.ts'
import { RouteImportController } from './route-import.controller.ts'
import { RouteImportService } from './route-import.service.ts'
import { RoutesController } from './routes.controller.ts'
import { RouteInput } from './routes.input.ts'
import { RoutesRepository } from './routes.repository.ts'
import { routeResource } from './routes.resource.ts'
import { RoutesService } from './routes.service.ts'

@Module({
  imports: [AuditModule, UpstreamsModule],
  controllers: [
    RouteImportController,
    RoutesController,
    relationshipReads(routeResource, RoutesService),
    relationshipWrites(routeResource, RoutesService, RouteInput),
  ],
  providers: [RouteImportService, RoutesRepository, RoutesService],
  exports: [RoutesService],
})
export class RoutesModule {}
