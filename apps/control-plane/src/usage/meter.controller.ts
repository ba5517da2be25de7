import { Body, Controller, Post, Req } from '@nestjs/common'
import { ApiError } from '@apigate/errors'
import type { FastifyRequest } from 'fastify'
import { ForScope } from '../auth/index.ts'
import { Describe, document, ok, refuseQuery, type Answer } from '../jsonapi/index.ts'
import { meterEventsMax } from './meter.input.ts'
import { MeterService } from './meter.service.ts'

const event = {
  type: 'object',
  required: ['id', 'units'],
  properties: {
    id: {
      type: 'string',
      maxLength: 128,
      description: 'Of the sender: a repeat of it for the same owner changes nothing',
    },
    units: { type: 'integer', minimum: 0 },
    user_id: { type: 'string' },
    group_id: { type: 'string' },
    api_key_id: { type: 'string' },
    route_id: { type: 'string' },
    created_at: { type: 'string', format: 'date-time' },
  },
}
const count = { type: 'integer', minimum: 0 }

@Controller('/api/v1/meter')
export class MeterController {
  constructor(private readonly meters: MeterService) {}

  @Post()
  @ForScope('meter:write')
  @Describe({
    summary: 'Adds usage that did not come by a proxy',
    description:
      'Events that are wrong are left out and told of in `meta.errors`; when none is right, the answer is 422.',
    operationId: 'meterUsage',
    body: {
      type: 'object',
      required: ['events'],
      properties: { events: { type: 'array', maxItems: meterEventsMax, items: event } },
    },
    answer: {
      status: 200,
      schema: {
        type: 'object',
        properties: {
          meta: {
            type: 'object',
            properties: {
              accepted: count,
              repeated: count,
              refused: count,
              errors: { type: 'array', items: { type: 'object' } },
            },
          },
        },
      },
      mediaType: 'application/vnd.api+json',
    },
  })
  async meter(@Req() request: FastifyRequest, @Body() body: unknown): Promise<Answer> {
    refuseQuery(request.url)
    const { accepted, repeated, errors } = await this.meters.meter(body, request.id)
    const [first, ...others] = errors
    if (first && accepted + repeated === 0) throw new ApiError([first, ...others])
    const refused = new Set(errors.map(({ source }) => pointerOf(source))).size
    return ok(document({ meta: { accepted, repeated, refused, errors } }))
  }
}

/** The event that an error is about, e.g. `/events/3`. */
function pointerOf(source: object | undefined): string {
  const pointer = source && 'pointer' in source ? String(source.pointer) : ''
  return pointer.split('/').slice(0, 3).join('/')
}
