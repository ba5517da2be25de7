import { Controller, Get, Inject, Res } from '@nestjs/common'
import type { FastifyReply } from 'fastify'
import { Public } from '../auth/index.ts'
import { Describe } from '../jsonapi/index.ts'
import { EndpointList } from './endpoint.list.ts'
import { openApiDocument } from './openapi.document.ts'

/** The API's description of itself. It is public: it says what the code says, and nothing of what is stored. */
@Controller()
export class OpenApiController {
  private json: string | undefined

  constructor(@Inject(EndpointList) private readonly endpoints: EndpointList) {}

  @Get('openapi.json')
  @Public()
  @Describe({
    summary: 'This description',
    operationId: 'getOpenApi',
    answer: { schema: { type: 'object' }, description: 'OpenAPI 3.1.' },
  })
  openapi(@Res() reply: FastifyReply): void {
    this.json ??= JSON.stringify(openApiDocument(this.endpoints.all(), '1'))
    void reply.header('content-type', 'application/json').send(this.json)
  }
}
