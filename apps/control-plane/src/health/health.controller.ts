import { Controller, Get, Res } from '@nestjs/common'
import type { FastifyReply } from 'fastify'
import { Public } from '../auth/index.ts'
import { ReadinessCheck } from './readiness.ts'

@Controller()
export class HealthController {
  constructor(private readonly readiness: ReadinessCheck) {}

  @Get('healthz')
  @Public()
  healthz(@Res() reply: FastifyReply): void {
    void reply.send({ status: 'ok' })
  }

  @Get('readyz')
  @Public()
  async readyz(@Res() reply: FastifyReply): Promise<void> {
    const { ready, dependencies } = await this.readiness.check()
    void reply.status(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not_ready', dependencies })
  }
}
