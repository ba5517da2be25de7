import { Body, Controller, Get, Put, Req, Res } from '@nestjs/common'
import { RouteConfig } from '@nestjs/platform-fastify'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ApiError } from '@apigate/errors'
import { CurrentActor, Public, type Actor } from '../auth/index.ts'
import {
  Describe,
  document,
  prefersYaml,
  refuseQuery,
  RequestUrl,
  revisionHeader,
  toYaml,
  yamlType,
  type Answer,
} from '../jsonapi/index.ts'
import { configDocumentSchema } from './config-document.schema.ts'
import { ConfigDocumentService } from './config-document.service.ts'

@Controller('/api/config')
export class ConfigDocumentController {
  constructor(private readonly configuration: ConfigDocumentService) {}

  @Get('export')
  @Describe({
    summary: 'Plans, upstreams, routes, groups and webhooks as one document',
    description: 'JSON, or YAML for `Accept: application/yaml`. Secrets are not in it.',
    operationId: 'exportConfig',
    answer: { schema: { type: 'object' } },
  })
  async export(@Req() { url, headers }: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    refuseQuery(url)
    const exported = await this.configuration.export()
    const isYaml = prefersYaml(headers.accept)
    const text = isYaml ? toYaml(exported) : JSON.stringify(exported, null, 2)
    // Bytes: Fastify would add a charset, which JSON does not have.
    void reply.header('content-type', isYaml ? yamlType : 'application/json').send(Buffer.from(text))
  }

  @Put()
  @RouteConfig({ takesYaml: true, takesMany: true })
  @Describe({
    summary: 'Make the configuration what a document says',
    description:
      'Of each section that the document has: what is there is made or changed, what is not there is deleted. A section that is ' +
      'left out stays as it is. JSON or YAML. `dry_run=true` answers the difference and changes nothing.',
    operationId: 'applyConfig',
    body: { type: 'object' },
    answer: { status: 200, schema: { type: 'object' }, mediaType: 'application/vnd.api+json' },
  })
  async apply(@Req() { url }: FastifyRequest, @Body() body: unknown, @CurrentActor() actor: Actor): Promise<Answer> {
    const isDryRun = readDryRun(url)
    const { row: changes, revision } = await this.configuration.apply(body, isDryRun, actor)
    const count = (action: string): number => changes.filter((change) => change.action === action).length
    return {
      status: 200,
      headers: isDryRun ? {} : revisionHeader(revision),
      document: document({
        meta: {
          dry_run: isDryRun,
          ...{ created: count('create'), updated: count('update'), deleted: count('delete') },
          changes,
        },
      }),
    }
  }

  @Get('schema')
  @Public()
  @Describe({
    summary: 'JSON Schema of the configuration document',
    operationId: 'getConfigSchema',
    answer: { schema: { type: 'object' }, mediaType: 'application/schema+json' },
  })
  schema(@Res() reply: FastifyReply): void {
    void reply
      .header('content-type', 'application/schema+json')
      .send(Buffer.from(JSON.stringify(configDocumentSchema())))
  }
}

/** `?dry_run=true`, and no other parameter. */
function readDryRun(url: string): boolean {
  const { parameters } = new RequestUrl(url)
  const [first, second] = parameters
  if (first === undefined) return false
  const [name, value] = first
  const parameter = second?.[0] ?? name
  if (name !== 'dry_run' || second !== undefined) {
    throw ApiError.of('bad_request', 'not a query parameter of this endpoint', { parameter })
  }
  if (value !== 'true' && value !== 'false') throw ApiError.of('bad_request', 'must be true or false', { parameter })
  return value === 'true'
}
