import { Body, Controller, Post, Req } from '@nestjs/common'
import { RouteConfig } from '@nestjs/platform-fastify'
import type { FastifyRequest } from 'fastify'
import { CurrentActor, type Actor } from '../../auth/index.ts'
import {
  Describe,
  document,
  inputSchemas,
  readCreation,
  refuseQuery,
  revisionHeader,
  type Answer,
} from '../../jsonapi/index.ts'
import { RouteImportInput } from './route-import.input.ts'
import { RouteImportService } from './route-import.service.ts'
import { routeResource } from './routes.resource.ts'

const { schemas, required } = inputSchemas(RouteImportInput)

@Controller(routeResource.path)
export class RouteImportController {
  constructor(private readonly imports: RouteImportService) {}

  @Post('import')
  @RouteConfig({ takesYaml: true })
  @Describe({
    summary: 'Make routes of the paths of an OpenAPI document',
    description:
      'A path that was imported before, with the same prefix, is changed instead. All routes or none, by one revision.',
    operationId: 'importRoutes',
    body: { type: 'object', properties: Object.fromEntries(schemas), required, additionalProperties: false },
    answer: { status: 200, schema: { type: 'object' }, mediaType: 'application/vnd.api+json' },
  })
  async import(@Req() { url }: FastifyRequest, @Body() body: unknown, @CurrentActor() actor: Actor): Promise<Answer> {
    refuseQuery(url)
    const { input } = readCreation(routeResource, RouteImportInput, body)
    const { row, revision } = await this.imports.run(input, actor)
    return { status: 200, headers: revisionHeader(revision), document: document({ meta: { ...row } }) }
  }
}
