import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common'
import type { FastifyReply } from 'fastify'
import { map, type Observable } from 'rxjs'
import type { Answer } from './answer.ts'
import { encodeDocument, mediaType } from './document.ts'

/** Sends what a controller answers. */
@Injectable()
export class AnswerInterceptor implements NestInterceptor<Answer | undefined, Uint8Array | undefined> {
  intercept(context: ExecutionContext, next: CallHandler<Answer | undefined>): Observable<Uint8Array | undefined> {
    const reply = context.switchToHttp().getResponse<FastifyReply>()
    return next.handle().pipe(
      map((answer) => {
        // The health checks answer by themselves: they are no JSON:API.
        if (answer === undefined) return undefined
        const { status, headers, document } = answer
        void reply.status(status).headers(headers)
        if (document === null) return undefined
        void reply.header('content-type', mediaType)
        return encodeDocument(document)
      }),
    )
  }
}
