import { ApiError, errorObject, type ErrorObject } from '@apigate/errors'
import { getMetadataStorage, validateSync } from 'class-validator'
import { readBody, throwIfAny } from './body.ts'
import type { ResourceDefinition } from './definition.ts'
import { isDocument, pointerTo } from './pointer.ts'

/** A class whose properties are the attributes a client may send, by wire name, with their rules (rules.ts). */
export type InputClass<T extends object> = new () => T

/** What a client sent to make a resource. */
export interface Creation<T> {
  /** The client's own id, checked for its prefix; undefined when the server is to make one. */
  id: string | undefined
  input: T
}

/**
 * Reads the body of a create.
 *
 * @throws ApiError 400 for a wrong shape, 409 for another type, 422 naming all attributes that are unknown or do not validate.
 */
export function readCreation<T extends object>(
  definition: ResourceDefinition,
  Input: InputClass<T>,
  body: unknown,
): Creation<T> {
  const { id, members, errors } = readBody(definition, body)
  if (id !== undefined && !isIdOf(definition, id)) {
    const detail = `an id of ${definition.type} is ${definition.idPrefix}_ and 1 to 128 letters, digits, "-", "_" or "."`
    errors.push(errorObject('validation_error', detail, { pointer: pointerTo(body, ['id']) }))
  }
  return { id, input: validated(definition, Input, 'create', body, members, errors) }
}

/**
 * The same for an update, which merges: what was not sent is undefined.
 *
 * @throws ApiError also 409 when the body names another id than the URL.
 */
export function readUpdate<T extends object>(
  definition: ResourceDefinition,
  Input: InputClass<T>,
  body: unknown,
  urlId: string,
): T {
  const { id, members, errors } = readBody(definition, body)
  if (id === undefined && isDocument(body)) {
    throw ApiError.of('bad_request', 'an update names the resource: id is missing', { pointer: '/data' })
  }
  if (id !== undefined && id !== urlId) {
    throw ApiError.of('conflict', `the URL names ${urlId}`, { pointer: pointerTo(body, ['id']) })
  }
  return validated(definition, Input, 'update', body, members, errors)
}

/** Whether text can be an id of this resource, and so is worth a look into the database. */
export function isIdOf(definition: ResourceDefinition, text: string): boolean {
  return (
    text.startsWith(`${definition.idPrefix}_`) &&
    /^[A-Za-z0-9._-]{1,128}$/.test(text.slice(definition.idPrefix.length + 1))
  )
}

function validated<T extends object>(
  definition: ResourceDefinition,
  Input: InputClass<T>,
  verb: 'create' | 'update',
  body: unknown,
  members: ReadonlyMap<string, unknown>,
  errors: ErrorObject[],
): T {
  const input = new Input()
  const known = inputNames(Input)
  for (const [name, value] of members) {
    if (known.has(name)) {
      Object.assign(input, { [name]: value })
    } else {
      const ours = definition.attributes.has(name) || definition.relationships.has(name.replace(/_id$/, ''))
      const detail = ours ? `${name} cannot be set` : `${definition.type} has no attribute "${name}"`
      errors.push(errorObject('validation_error', detail, { pointer: pointerTo(body, [name]) }))
    }
  }
  // `always`: rules without a group hold for both verbs.
  const failures = validateSync(input, { groups: [verb], always: true, skipUndefinedProperties: true })
  for (const { property, constraints } of failures) {
    for (const detail of Object.values(constraints ?? {})) {
      errors.push(errorObject('validation_error', `${property} ${detail}`, { pointer: pointerTo(body, [property]) }))
    }
  }
  throwIfAny(errors)
  return input
}

function inputNames(Input: InputClass<object>): Set<string> {
  const metadata = getMetadataStorage().getTargetValidationMetadatas(Input, '', true, false)
  return new Set(metadata.map(({ propertyName }) => propertyName))
}
