import { RouteTraffic } from '@apigate/platform'
import { Module } from '@nestjs/common'
import { MetricsController } from './metrics.controller.ts'

/** The metrics of the API process. */
@Module({
  controllers: [MetricsController],
  providers: [{ provide: RouteTraffic, useFactory: () => new RouteTraffic() }],
  exports: [RouteTraffic],
})
export class MetricsModule {}
