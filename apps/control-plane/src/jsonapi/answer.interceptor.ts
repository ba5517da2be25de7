import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common'
import type { FastifyReply } from 'fastify'
import { map, type Observable } from 'rxjs'
import type { Answer } from './answer.ts'
import { encodeDocument, mediaType } from './document.ts'

/** Sends what a controller answers. */
@Injectable()
export class AnswerInterceptor implements NestInterceptor<Answer, Uint8Array | undefined> {
  intercept(context: ExecutionContext, next: CallHandler<Answer>): Observable<Uint8Array | undefined> {
    const reply = context.switchToHttp().getResponse<FastifyReply>()
    return next.handle().pipe(
      map(({ status, headers, document }) => {
        void reply.status(status).headers(headers)
        if (document === null) return undefined
        void reply.header('content-type', mediaType)
        return encodeDocument(document)
      }),
    )
  }
}
