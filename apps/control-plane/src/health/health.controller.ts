import { Controller, Get, Res } from '@nestjs/common'
import type { FastifyReply } from 'fastify'
import { Public } from '../auth/index.ts'
import { Describe } from '../jsonapi/index.ts'
import { ReadinessCheck } from './readiness.ts'

@Controller()
export class HealthController {
  constructor(private readonly readiness: ReadinessCheck) {}

  @Get('healthz')
  @Public()
  @Describe({ summary: 'Whether the process lives', operationId: 'getHealth', answer: { schema: { type: 'object' } } })
  healthz(@Res() reply: FastifyReply): void {
    void reply.send({ status: 'ok' })
  }

  @Get('readyz')
  @Public()
  @Describe({
    summary: 'Whether the process can serve',
    operationId: 'getReadiness',
    answer: { schema: { type: 'object' }, description: 'Ready; 503 with the same shape when it is not.' },
  })
  async readyz(@Res() reply: FastifyReply): Promise<void> {
    const { ready, dependencies } = await this.readiness.check()
    void reply.status(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not_ready', dependencies })
  }
}
