import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common'
import type { Logger } from '@apigate/platform'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { document, encodeDocument, mediaType } from './document.ts'
import { toApiError } from './error-document.ts'

/** Everything that goes wrong within the framework ends here, as a JSON:API errors document. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp()
    sendError(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>(), this.log)
  }
}

export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Logger): void {
  const { errors, status, headers } = toApiError(error, request)
  if (status >= 500) {
    log.error({ err: error, errorId: errors[0].id, request_id: request.id, method: request.method }, 'request failed')
  }
  void reply
    .status(status)
    .headers(headers)
    .header('content-type', mediaType)
    .send(encodeDocument(document({ errors })))
}
