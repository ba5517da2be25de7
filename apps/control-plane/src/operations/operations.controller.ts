import { Body, Controller, Post, Req } from '@nestjs/common'
import { RouteConfig } from '@nestjs/platform-fastify'
import type { FastifyRequest } from 'fastify'
import { CurrentActor, type Actor } from '../auth/index.ts'
import {
  atomicExtension,
  Describe,
  document,
  mediaType,
  refuseQuery,
  revisionHeader,
  type Answer,
} from '../jsonapi/index.ts'
import { operationsDescription } from './operations.schema.ts'
import { OperationsService } from './operations.service.ts'

@Controller('/api/operations')
export class OperationsController {
  constructor(private readonly operations: OperationsService) {}

  @Post()
  @Describe(operationsDescription)
  @RouteConfig({ extensions: [atomicExtension], takesMany: true })
  async run(@Req() request: FastifyRequest, @Body() body: unknown, @CurrentActor() actor: Actor): Promise<Answer> {
    refuseQuery(request.url)
    const { row: results, revision } = await this.operations.run(body, actor)
    const headers = revisionHeader(revision)
    if (results.every(({ data }) => data === undefined)) return { status: 204, headers, document: null }
    return {
      status: 200,
      headers: { ...headers, 'content-type': `${mediaType}; ext="${atomicExtension}"` },
      document: document({ 'atomic:results': results }, [atomicExtension]),
    }
  }
}
