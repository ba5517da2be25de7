import { Controller, Post, Req } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import { ForScope } from '../auth/index.ts'
import {
  Describe,
  document,
  FromCreation,
  FromWriteQuery,
  ok,
  resourceObject,
  type Answer,
  type Creation,
  type ItemQuery,
} from '../jsonapi/index.ts'
import { ExplainInput } from './explain.input.ts'
import { explanationResource, explanationRow } from './explain.resource.ts'
import { ExplainService } from './explain.service.ts'

@Controller(explanationResource.path)
export class ExplainController {
  constructor(private readonly explain: ExplainService) {}

  @Post()
  @ForScope('admin:read')
  @Describe({
    summary: 'What a worker would do with a request',
    description:
      'By the code that would do it, on the configuration that is live there. The upstream is not asked, nothing is recorded ' +
      'and no limit is used up. Secrets among the headers are masked.',
    answer: { status: 200, resource: explanationResource },
  })
  async post(
    @FromCreation(explanationResource, ExplainInput) { input }: Creation<ExplainInput>,
    @FromWriteQuery(explanationResource) query: ItemQuery,
    @Req() { id }: FastifyRequest,
  ): Promise<Answer> {
    const row = explanationRow(id, await this.explain.explain(input))
    const { links: _, ...data } = resourceObject(explanationResource, row, query.fields)
    return ok(document({ data }))
  }
}
