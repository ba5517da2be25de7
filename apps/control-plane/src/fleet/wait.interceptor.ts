import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import { mergeMap, type Observable } from 'rxjs'
import { document, type Answer } from '../jsonapi/index.ts'
import { FleetService } from './fleet.service.ts'
import { waitPreference } from './prefer.ts'

/**
 * A write with `Prefer: wait=5` (RFC 7240) is answered when every live worker has applied its revision, or with 202 and the
 * names of those that have not when the time is up. Whatever the answer says, the write is done.
 */
@Injectable()
export class WaitInterceptor implements NestInterceptor<Answer | undefined, Answer | undefined> {
  constructor(private readonly fleet: FleetService) {}

  intercept(context: ExecutionContext, next: CallHandler<Answer | undefined>): Observable<Answer | undefined> {
    const { headers } = context.switchToHttp().getRequest<FastifyRequest>()
    const seconds = waitPreference(headers.prefer)
    return seconds === null ? next.handle() : next.handle().pipe(mergeMap((answer) => this.applied(answer, seconds)))
  }

  private async applied(answer: Answer | undefined, seconds: number): Promise<Answer | undefined> {
    const revision = answer?.headers['x-config-revision']
    if (answer === undefined || revision === undefined) return answer
    // The write is done, and its answer may hold what is shown once: nothing may come between.
    const behind = await this.fleet.behind(Number(revision), seconds * 1_000).catch(() => null)
    const headers = { ...answer.headers, 'preference-applied': `wait=${seconds}` }
    if (behind?.length === 0) return { ...answer, headers }
    const meta = { config_revision: Number(revision), workers_behind: behind }
    const body = answer.document ?? document({})
    return { status: 202, headers, document: { ...body, meta: { ...body.meta, ...meta } } }
  }
}
