import { isDeepStrictEqual } from 'node:util'
import { ApiError, errorObject, type ErrorObject } from '@apigate/errors'
import { getMetadataStorage, validateSync } from 'class-validator'
import { readBody, throwIfAny } from './body.ts'
import { valueOf, type ResourceDefinition, type Row } from './definition.ts'
import { wireValue } from './document.ts'
import { InputError, type InputProblem } from './input.error.ts'
import { isDocument, pointerTo } from './pointer.ts'
import { ruleProblems } from './rules.ts'
import { parseTimestamp } from './timestamp.ts'

/** A class whose properties are the attributes a client may send, by wire name, with their rules (rules.ts). */
export type InputClass<T extends object> = new () => T

/** What a client sent to make a resource. */
export interface Creation<T> {
  /** The client's own id, checked for its prefix; undefined when the server is to make one. */
  id: string | undefined
  input: T
}

/** What a client sent to change a resource. */
export interface Update<T> {
  /** What was not sent is undefined. */
  input: T
  /** The read-only attributes and related ids, sent back by a client that edits what it read; `refuseChanges` compares them. */
  readOnly: ReadonlyMap<string, unknown>
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
  return { id, input: validated(definition, Input, 'create', body, members, errors).input }
}

/**
 * The same for an update, which merges.
 *
 * @throws ApiError also 409 when the body names another id than the URL.
 */
export function readUpdate<T extends object>(
  definition: ResourceDefinition,
  Input: InputClass<T>,
  body: unknown,
  urlId: string,
): Update<T> {
  const { id, members, errors } = readBody(definition, body)
  if (id === undefined && isDocument(body)) {
    throw ApiError.of('bad_request', 'an update names the resource: id is missing', { pointer: '/data' })
  }
  refuseOtherId(body, id, urlId)
  return validated(definition, Input, 'update', body, members, errors)
}

/**
 * Reads what an action on a resource is to be done with, from a body that may be left out: attributes of the action, in
 * either shape.
 *
 * @throws ApiError as with an update.
 */
export function readAction<T extends object>(
  definition: ResourceDefinition,
  Input: InputClass<T>,
  sent: unknown,
  urlId: string,
): T {
  const body = sent ?? {}
  const { id, members, errors } = readBody(definition, body)
  refuseOtherId(body, id, urlId)
  return validated(definition, Input, 'create', body, members, errors).input
}

/** For an action that takes nothing: the body may be left out, or say nothing. @throws ApiError as with an action. */
export function refuseAttributes(definition: ResourceDefinition, sent: unknown, urlId: string): void {
  const body = sent ?? {}
  const { id, members, errors } = readBody(definition, body)
  refuseOtherId(body, id, urlId)
  for (const name of members.keys()) {
    errors.push(errorObject('validation_error', `${name} is not taken here`, { pointer: pointerTo(body, [name]) }))
  }
  throwIfAny(errors)
}

function refuseOtherId(body: unknown, id: string | undefined, urlId: string): void {
  if (id === undefined || id === urlId) return
  throw ApiError.of('conflict', `the URL names ${urlId}`, { pointer: pointerTo(body, ['id']) })
}

/**
 * A document that was read, edited and sent back whole changes what was edited, provided that the rest is still so.
 *
 * @throws InputError 422 naming every read-only attribute that was sent with another value than the row's.
 */
export function refuseChanges(definition: ResourceDefinition, row: Row, { readOnly }: Update<object>): void {
  const problems = [...readOnly].flatMap(([name, sent]): InputProblem[] => {
    const isTime = definition.attributes.get(name)?.kind === 'timestamp'
    const value = isTime && typeof sent === 'string' ? parseTimestamp(sent) : sent
    const field = fieldOf(definition, name) ?? name
    if (isDeepStrictEqual(wireValue(value), wireValue(valueOf(row, field)))) return []
    return [{ code: 'validation_error', field: name, detail: `${name} cannot be set; it may be sent as it is` }]
  })
  const [first, ...rest] = problems
  if (first) throw new InputError([first, ...rest])
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
): Update<T> {
  const input = new Input()
  const readOnly = new Map<string, unknown>()
  const known = inputNames(Input)
  for (const [name, value] of members) {
    if (known.has(name)) {
      Object.assign(input, { [name]: value })
    } else if (verb === 'update' && fieldOf(definition, name) !== undefined) {
      readOnly.set(name, value)
    } else {
      const detail = fieldOf(definition, name)
        ? `${name} cannot be set`
        : `${definition.type} has no attribute "${name}"`
      errors.push(errorObject('validation_error', detail, { pointer: pointerTo(body, [name]) }))
    }
  }
  // `always`: rules without a group hold for both verbs.
  const failures = validateSync(input, { groups: [verb], always: true, skipUndefinedProperties: true })
  for (const { property, constraints } of failures) {
    for (const { path, detail } of Object.values(constraints ?? {}).flatMap(ruleProblems)) {
      const field = [property, ...path]
      errors.push(errorObject('validation_error', `${field.join('/')} ${detail}`, { pointer: pointerTo(body, field) }))
    }
  }
  throwIfAny(errors)
  return { input, readOnly }
}

/** Of an attribute, or of a relationship by the name of its id. */
function fieldOf(definition: ResourceDefinition, name: string): string | undefined {
  const relationship = name.endsWith('_id') ? definition.relationships.get(name.slice(0, -'_id'.length)) : undefined
  return definition.attributes.get(name)?.field ?? relationship?.idField
}

function inputNames(Input: InputClass<object>): Set<string> {
  const metadata = getMetadataStorage().getTargetValidationMetadatas(Input, '', true, false)
  return new Set(metadata.map(({ propertyName }) => propertyName))
}
