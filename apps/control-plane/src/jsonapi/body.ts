import { ApiError, errorObject, type ErrorObject } from '@apigate/errors'
import type { ResourceDefinition } from './definition.ts'
import { escapePointer, isObject } from './json.ts'
import { isDocument, pointerTo } from './pointer.ts'

/** The members of a body, of whichever of the two shapes it has. */
export interface BodyMembers {
  id: string | undefined
  /** Attributes and, as `<relationship>_id`, linked ids, by wire name. */
  members: Map<string, unknown>
  /** What is wrong without hindering a look at the rest. */
  errors: ErrorObject[]
}

/**
 * Reads a JSON:API document (`{"data": {"type", "id"?, "attributes"?, "relationships"?}}`) or a flat object of attributes.
 * Members that JSON:API does not define are ignored, as it demands; attributes are left to input.ts.
 *
 * @throws ApiError 400 for another shape, 409 for another type.
 */
export function readBody(definition: ResourceDefinition, body: unknown): BodyMembers {
  if (body === undefined) throw ApiError.of('bad_request', 'a body is required')
  if (!isObject(body)) throw ApiError.of('bad_request', 'the body must be an object', { pointer: '' })
  const flat = !isDocument(body)
  const data = flat ? body : body.data
  const base = flat ? '' : '/data'
  if (!isObject(data)) throw ApiError.of('bad_request', 'data must be one resource object', { pointer: base })
  const { id, type, attributes = {}, relationships = {}, ...others } = data
  if (type === undefined && !flat) throw ApiError.of('bad_request', 'type is missing', { pointer: base })
  if (type !== undefined && type !== definition.type) {
    const code = typeof type === 'string' ? 'conflict' : 'bad_request'
    throw ApiError.of(code, `this endpoint is for type "${definition.type}"`, { pointer: `${base}/type` })
  }
  if (id !== undefined && typeof id !== 'string') {
    throw ApiError.of('bad_request', 'an id is text', { pointer: `${base}/id` })
  }
  if (flat) {
    // Those two are no attributes of any resource; left in, they are refused as unknown.
    const sent = {
      ...others,
      ...('attributes' in data && { attributes }),
      ...('relationships' in data && { relationships }),
    }
    return { id, members: new Map(Object.entries(sent)), errors: [] }
  }
  if (!isObject(attributes)) throw ApiError.of('bad_request', 'must be an object', { pointer: '/data/attributes' })
  if (!isObject(relationships))
    throw ApiError.of('bad_request', 'must be an object', { pointer: '/data/relationships' })
  const members = new Map(Object.entries(attributes))
  const errors: ErrorObject[] = []
  for (const [name, relationship] of Object.entries(relationships)) {
    const pointer = `/data/relationships/${escapePointer(name)}`
    if (definition.toMany.has(name)) {
      // A document that was read and is sent back whole has its links.
      if (!isDocument(relationship)) continue
      throw ApiError.of('forbidden', `${name} is not replaced as a whole: see its relationship link`, { pointer })
    }
    const target = definition.relationships.get(name)?.target()
    if (!target) {
      errors.push(errorObject('validation_error', `${definition.type} has no such relationship`, { pointer }))
      continue
    }
    if (!isDocument(relationship)) throw ApiError.of('bad_request', 'must be an object with data', { pointer })
    const id = readIdentifier(target, relationship.data, `${pointer}/data`, errors)
    const flatName = `${name}_id`
    if (members.has(flatName) && members.get(flatName) !== id) {
      errors.push(errorObject('validation_error', `contradicts the attribute ${flatName}`, { pointer }))
    }
    members.set(flatName, id)
  }
  return { id, members, errors }
}

/**
 * Reads the body of a to-one relationship's update: `{"data": {"type", "id"}}` or `{"data": null}`.
 *
 * @returns the related id.
 */
export function readLinkage(target: ResourceDefinition, body: unknown): string | null {
  if (!isDocument(body)) {
    throw ApiError.of('bad_request', 'send {"data": {"type", "id"}} or {"data": null}', {
      pointer: pointerTo(body, []),
    })
  }
  const errors: ErrorObject[] = []
  const id = readIdentifier(target, body.data, '/data', errors)
  throwIfAny(errors)
  return id
}

const identifiersMax = 1_000

/**
 * Reads the body that adds to or removes from a to-many relationship: `{"data": [{"type", "id"}]}`.
 *
 * @returns the ids, none twice.
 */
export function readLinkages(target: ResourceDefinition, body: unknown): string[] {
  if (!isDocument(body) || !Array.isArray(body.data)) {
    throw ApiError.of('bad_request', 'send {"data": [{"type", "id"}]}', { pointer: isDocument(body) ? '/data' : '' })
  }
  const errors: ErrorObject[] = []
  if (body.data.length > identifiersMax) {
    throw ApiError.of('bad_request', `at most ${identifiersMax} at a time`, { pointer: '/data' })
  }
  const ids = body.data.map((data: unknown, index) => {
    const pointer = `/data/${index}`
    const id = readIdentifier(target, data, pointer, errors)
    if (id === null) throw ApiError.of('bad_request', 'must be {"type", "id"}', { pointer })
    return id
  })
  throwIfAny(errors)
  return [...new Set(ids)]
}

function readIdentifier(
  target: ResourceDefinition,
  data: unknown,
  pointer: string,
  errors: ErrorObject[],
): string | null {
  if (data === null) return null
  if (!isObject(data) || typeof data['type'] !== 'string' || typeof data['id'] !== 'string') {
    throw ApiError.of('bad_request', 'must be null or {"type", "id"}', { pointer })
  }
  if (data['type'] !== target.type) {
    errors.push(errorObject('validation_error', `must be of type "${target.type}"`, { pointer: `${pointer}/type` }))
  }
  return data['id']
}

export function throwIfAny([first, ...rest]: readonly ErrorObject[]): void {
  if (first) throw new ApiError([first, ...rest])
}
