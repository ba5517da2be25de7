import { Controller, Get, Req } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import {
  collectionAnswer,
  Describe,
  document,
  existing,
  FromItemQuery,
  FromListQuery,
  FromPath,
  listOf,
  mediaType,
  ok,
  resourceAnswer,
  resourceObject,
  type Answer,
  type ItemQuery,
  type ListQuery,
  type ResourceDefinition,
} from '../jsonapi/index.ts'
import { groupResource } from '../resources/groups/index.ts'
import { userResource } from '../resources/users/index.ts'
import { readUsagePeriod } from './usage.period.ts'
import type { OwnerKind } from './usage.repository.ts'
import { usageGapResource, usageSummaryResource } from './usage.resource.ts'
import { UsageService } from './usage.service.ts'

const description =
  'Of the month `?period=2026-11`, of the days `?from=2026-11-01&to=2026-11-07`, or of this month. From the sums, in UTC.'

const sums = { type: 'array', items: { type: 'object' } }
const answer = {
  mediaType,
  schema: {
    type: 'object',
    properties: {
      data: {
        type: 'object',
        properties: {
          type: { const: usageSummaryResource.type },
          id: { type: 'string' },
          attributes: { type: 'object', properties: { by_route: sums, by_status_class: sums, by_day: sums } },
        },
      },
    },
  },
}

@Controller()
export class UsageController {
  constructor(private readonly usage: UsageService) {}

  @Get(usageGapResource.path)
  @Describe({ summary: 'Lists usage events that are not in the ledger' })
  async gaps(@FromListQuery(usageGapResource) query: ListQuery): Promise<Answer> {
    return collectionAnswer(usageGapResource, query, listOf(await this.usage.gaps(), query))
  }

  @Get(`${usageGapResource.path}/:id`)
  @Describe({ summary: 'Reads one of them' })
  async gap(
    @FromPath(usageGapResource) id: string,
    @FromItemQuery(usageGapResource) query: ItemQuery,
  ): Promise<Answer> {
    const row = (await this.usage.gaps()).find((gap) => gap.id === id)
    return resourceAnswer(usageGapResource, query, existing(usageGapResource, id, row))
  }

  @Get(`${userResource.path}/:id/usage`)
  @Describe({ operationId: 'getUserUsage', summary: 'What a user has used', description, answer })
  ofUser(@FromPath(userResource) id: string, @Req() request: FastifyRequest): Promise<Answer> {
    return this.summary('user', userResource, id, request)
  }

  @Get(`${groupResource.path}/:id/usage`)
  @Describe({ operationId: 'getGroupUsage', summary: 'What a group has used', description, answer })
  ofGroup(@FromPath(groupResource) id: string, @Req() request: FastifyRequest): Promise<Answer> {
    return this.summary('group', groupResource, id, request)
  }

  private async summary(
    kind: OwnerKind,
    definition: ResourceDefinition,
    id: string,
    { url }: FastifyRequest,
  ): Promise<Answer> {
    const row = await this.usage.summary(kind, definition, id, readUsagePeriod(url, new Date()))
    const { type, attributes } = resourceObject(usageSummaryResource, row)
    return ok(document({ data: { type, id: row.id, attributes }, links: { self: url } }))
  }
}
