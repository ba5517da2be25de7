import { createParamDecorator, type ExecutionContext } from '@nestjs/common'
import { ApiError } from '@apigate/errors'
import type { FastifyRequest } from 'fastify'
import type { ResourceDefinition, Row } from './definition.ts'
import { noting } from './endpoint.note.ts'
import { isIdOf, readAction, readCreation, readUpdate, refuseAttributes, type InputClass } from './input.ts'
import { checkPrecondition } from './precondition.ts'
import { readItemQuery, readListQuery, readWriteQuery, refuseQuery } from './query.ts'

/** Decorators for the parameters of controller methods: what comes in is read and checked, or answered with 4xx. */

type IdRequest = FastifyRequest<{ Params: { id: string } }>

/** A decorator of a definition that notes what it reads. */
function reading(
  kind: 'list' | 'item' | 'write' | 'id',
  read: (definition: ResourceDefinition, request: IdRequest) => unknown,
): (definition: ResourceDefinition) => ParameterDecorator {
  const From = createParamDecorator((definition: ResourceDefinition, context) => read(definition, requestOf(context)))
  return (definition) => noting({ kind, definition }, From(definition))
}

function requestOf(context: ExecutionContext): IdRequest {
  return context.switchToHttp().getRequest<IdRequest>()
}

/** A `ListQuery`. */
export const FromListQuery = reading('list', (definition, { url }) => readListQuery(definition, url))

/** An `ItemQuery`. */
export const FromItemQuery = reading('item', (definition, { url }) => readItemQuery(definition, url))

/** An `ItemQuery` of a write: `fields` only. */
export const FromWriteQuery = reading('write', (definition, { url }) => readWriteQuery(definition, url))

/** The id in the path; one that cannot be an id of this resource is 404 without a look into the database. */
export const FromPath = reading('id', (definition, { params }) => readId(definition, params.id))

/** The same for an endpoint that takes no query parameters. */
export const FromBarePath = reading('id', (definition, { params, url }) => {
  refuseQuery(url)
  return readId(definition, params.id)
})

/** The same for an action that takes nothing: who sends `{"dry_run": true}` must not be told that it was done. */
export const FromActionPath = reading('id', (definition, { params, body }) => {
  // The number of a revision is looked at by who knows revisions.
  const id = definition.idPrefix === '' ? params.id : readId(definition, params.id)
  refuseAttributes(definition, body, id)
  return id
})

/** A `Creation<T>`. */
export function FromCreation<T extends object>(
  definition: ResourceDefinition,
  Input: InputClass<T>,
): ParameterDecorator {
  return noting(
    { kind: 'creation', definition, Input },
    createParamDecorator((_, context) => readCreation(definition, Input, requestOf(context).body))(),
  )
}

/** An `Update<T>`. */
export function FromUpdate<T extends object>(definition: ResourceDefinition, Input: InputClass<T>): ParameterDecorator {
  const From = createParamDecorator((_, context) => {
    const { params, body } = requestOf(context)
    return readUpdate(definition, Input, body, readId(definition, params.id))
  })
  return noting({ kind: 'update', definition, Input }, From())
}

/** The `T` of an action on the resource in the path; the body may be left out. */
export function FromAction<T extends object>(definition: ResourceDefinition, Input: InputClass<T>): ParameterDecorator {
  const From = createParamDecorator((_, context) => {
    const { params, body } = requestOf(context)
    return readAction(definition, Input, body, readId(definition, params.id))
  })
  return noting({ kind: 'action', definition, Input }, From())
}

function readId(definition: ResourceDefinition, id: string): string {
  if (!isIdOf(definition, id)) throw notFound(definition, id)
  return id
}

/**
 * The row that was found under an id. A write passes the row that it has locked: this is where `If-Match` is checked.
 *
 * @throws ApiError 404 when there is none, 409 when `If-Match` names another version of it.
 */
export function existing<R extends Row>(definition: ResourceDefinition, id: string, found: R | null | undefined): R {
  if (found === null || found === undefined) throw notFound(definition, id)
  checkPrecondition(definition, found)
  return found
}

function notFound(definition: ResourceDefinition, id: string): ApiError {
  return ApiError.of('not_found', `${definition.type} has no "${id}"`)
}
