import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { map, type Observable } from 'rxjs'
import type { Answer } from './answer.ts'
import { encodeDocument, mediaType } from './document.ts'
import { digest, parseTags } from './etag.ts'

/** Sends what a controller answers, with its ETag, or 304 to a client that has it already. */
@Injectable()
export class AnswerInterceptor implements NestInterceptor<Answer | undefined, Uint8Array | undefined> {
  intercept(context: ExecutionContext, next: CallHandler<Answer | undefined>): Observable<Uint8Array | undefined> {
    const http = context.switchToHttp()
    const request = http.getRequest<FastifyRequest>()
    const reply = http.getResponse<FastifyReply>()
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    return next.handle().pipe(
      map((answer) => {
        // The health checks answer by themselves: they are no JSON:API.
        if (answer === undefined) return undefined
        const { status, headers, document } = answer
        void reply.status(status).headers(headers)
        if (document === null) return undefined
        const body = encodeDocument(document)
        if (isRead || answer.version !== undefined) {
          const tag = tagOf(answer, body)
          void reply.header('etag', `"${tag}"`)
          if (isRead && hasAlready(request.headers['if-none-match'], tag)) {
            void reply.status(304)
            return undefined
          }
        }
        void reply.header('content-type', headers['content-type'] ?? mediaType)
        return body
      }),
    )
  }
}

function tagOf({ version, plain = false }: Answer, body: Uint8Array): string {
  if (version === undefined) return digest(body)
  return plain ? version : `${version}~${digest(body)}`
}

/** Compared weakly: what is weak for a cache on the way is still the same to the client (RFC 9110 §13.1.2). */
function hasAlready(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false
  const tags = parseTags('If-None-Match', ifNoneMatch)
  return tags === '*' || tags.some(({ opaque }) => opaque === tag)
}
