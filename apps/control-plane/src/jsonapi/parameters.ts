import { createParamDecorator, type ExecutionContext } from '@nestjs/common'
import { ApiError } from '@apigate/errors'
import type { FastifyRequest } from 'fastify'
import type { ResourceDefinition } from './definition.ts'
import { isIdOf, readCreation, readUpdate, type InputClass } from './input.ts'
import { readItemQuery, readListQuery, readWriteQuery, refuseQuery } from './query.ts'

/** Decorators for the parameters of controller methods: what comes in is read and checked, or answered with 4xx. */

type Parameters = { id: string }

function requestOf(context: ExecutionContext): FastifyRequest<{ Params: Parameters }> {
  return context.switchToHttp().getRequest<FastifyRequest<{ Params: Parameters }>>()
}

/** A `ListQuery`. */
export const FromListQuery = createParamDecorator((definition: ResourceDefinition, context) =>
  readListQuery(definition, requestOf(context).url),
)

/** An `ItemQuery`. */
export const FromItemQuery = createParamDecorator((definition: ResourceDefinition, context) =>
  readItemQuery(definition, requestOf(context).url),
)

/** An `ItemQuery` of a write: `fields` only. */
export const FromWriteQuery = createParamDecorator((definition: ResourceDefinition, context) =>
  readWriteQuery(definition, requestOf(context).url),
)

/** The id in the path; one that cannot be an id of this resource is 404 without a look into the database. */
export const FromPath = createParamDecorator((definition: ResourceDefinition, context) =>
  readId(definition, requestOf(context).params.id),
)

/** The same for an endpoint that takes no query parameters. */
export const FromBarePath = createParamDecorator((definition: ResourceDefinition, context) => {
  const request = requestOf(context)
  refuseQuery(request.url)
  return readId(definition, request.params.id)
})

/** A `Creation<T>`. */
export function FromCreation<T extends object>(
  definition: ResourceDefinition,
  Input: InputClass<T>,
): ParameterDecorator {
  return createParamDecorator((_, context) => readCreation(definition, Input, requestOf(context).body))()
}

/** An `Update<T>`. */
export function FromUpdate<T extends object>(definition: ResourceDefinition, Input: InputClass<T>): ParameterDecorator {
  return createParamDecorator((_, context) => {
    const request = requestOf(context)
    return readUpdate(definition, Input, request.body, readId(definition, request.params.id))
  })()
}

function readId(definition: ResourceDefinition, id: string): string {
  return existing(definition, id, isIdOf(definition, id) ? id : null)
}

/** What was found under an id. @throws ApiError 404 when it is null or undefined. */
export function existing<T>(definition: ResourceDefinition, id: string, found: T): NonNullable<T> {
  if (found === null || found === undefined) throw ApiError.of('not_found', `${definition.type} has no "${id}"`)
  return found
}
