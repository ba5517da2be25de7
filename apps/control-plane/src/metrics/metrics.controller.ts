import { RouteTraffic } from '@apigate/platform'
import { Controller, Get, Res } from '@nestjs/common'
import type { FastifyReply } from 'fastify'
import { Describe } from '../jsonapi/index.ts'
import { apiMetrics } from './api.metrics.ts'

/** On the port that clients reach, so that it takes a key that may read; the other processes have a port for it. */
@Controller()
export class MetricsController {
  constructor(private readonly traffic: RouteTraffic) {}

  @Get('metrics')
  @Describe({
    summary: "The process's metrics, as Prometheus reads them",
    operationId: 'getMetrics',
    answer: { mediaType: 'text/plain', schema: { type: 'string' } },
  })
  metrics(@Res() reply: FastifyReply): void {
    void reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8').send(apiMetrics(this.traffic))
  }
}
