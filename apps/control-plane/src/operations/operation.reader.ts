import { ApiError, type ErrorObject } from '@apigate/errors'
import { mapInTurns, newId, type IdPrefix } from '@apigate/platform'
import {
  inputSchemas,
  isObject,
  readCreation,
  readLinkages,
  readLinkageUpdate,
  readUpdate,
  resolvingPart,
  toApiError,
  type Creation,
  type Relationship,
  type Update,
} from '../jsonapi/index.ts'
import { LocalIds } from './local-ids.ts'
import type { Operable } from './operable.ts'
import { checkedId, operableOf, readTarget, type Target } from './operation.target.ts'

export const operationsMax = 10_000
const errorsMax = 100
/** Checking one costs some tens of microseconds. */
const perTurn = 50

/** What an operation does, with every `lid` replaced and its input checked. */
export type Deed =
  | { kind: 'create'; operable: Operable; creation: Creation<object> }
  | { kind: 'update'; operable: Operable; id: string; update: Update<object>; relationship?: Relationship }
  | { kind: 'delete'; operable: Operable; id: string }
  | { kind: 'add' | 'remove'; operable: Operable; id: string; relationship: string; ids: string[] }

export interface Operation {
  /** As it was sent: pointers lead into it. */
  sent: Record<string, unknown>
  /** The document that it would be alone. */
  body: { data: unknown }
  deed: Deed
}

/**
 * Reads a document of the Atomic Operations extension (https://jsonapi.org/ext/atomic), without a look into the database.
 *
 * @throws ApiError naming what is wrong with all of the operations, or with the first hundred mistakes.
 */
export async function readOperations(document: unknown, operables: readonly Operable[]): Promise<Operation[]> {
  const name = 'atomic:operations'
  const pointer = `/${name}`
  const list = isObject(document) ? document[name] : undefined
  if (!isObject(document) || !Array.isArray(list)) {
    throw ApiError.of('bad_request', `send {"${name}": […]}`, { pointer: resolvingPart(document, pointer) })
  }
  if (list.length === 0) throw ApiError.of('bad_request', 'there is no operation', { pointer })
  if (list.length > operationsMax)
    throw ApiError.of('payload_too_large', `at most ${operationsMax} operations`, { pointer })
  const lids = new LocalIds()
  const errors: ErrorObject[] = []
  const operations = await mapInTurns(list, perTurn, (sent: unknown, index) => {
    if (errors.length >= errorsMax) return []
    try {
      return readOperation(sent, operables, lids)
    } catch (error) {
      errors.push(...located(error, index, sent, { data: undefined }, 'POST').errors)
      return []
    }
  })
  const [first, ...rest] = errors.slice(0, errorsMax)
  if (first) throw new ApiError([first, ...rest])
  return operations.flat()
}

/** The error with pointers into the whole document. */
export function located(error: unknown, index: number, sent: unknown, body: unknown, method: string): ApiError {
  const { errors, headers } = toApiError(error, { method, body })
  const [first, ...rest] = errors.map((each): ErrorObject => {
    const inside = each.source && 'pointer' in each.source ? each.source.pointer : defaultPlace(each)
    return { ...each, source: { pointer: `/atomic:operations/${index}${resolvingPart(sent, inside)}` } }
  })
  return first ? new ApiError([first, ...rest], headers) : toApiError(error, { method, body })
}

function defaultPlace({ code }: ErrorObject): string {
  return code === 'not_found' ? '/ref' : ''
}

function readOperation(sent: unknown, operables: readonly Operable[], lids: LocalIds): Operation {
  if (!isObject(sent)) throw ApiError.of('bad_request', 'must be an object', { pointer: '' })
  const { op } = sent
  const target = readTarget(sent, operables, lids)
  if (op !== 'add' && op !== 'update' && op !== 'remove') {
    throw ApiError.of('bad_request', 'must be add, update or remove', { pointer: '/op' })
  }
  if (target?.relationship !== undefined)
    return readRelationship(sent, op, { ...target, name: target.relationship }, lids)
  if (op === 'add') return readAdd(sent, target, operables, lids)
  return op === 'update' ? readChange(sent, target, operables, lids) : readRemove(sent, target)
}

function readAdd(
  sent: Record<string, unknown>,
  target: Target | null,
  operables: readonly Operable[],
  lids: LocalIds,
): Operation {
  if (target?.id !== undefined) {
    throw ApiError.of('bad_request', 'a resource is added to its collection', { pointer: '' })
  }
  const { data } = sent
  if (!isObject(data)) throw ApiError.of('bad_request', 'must be a resource object', { pointer: '/data' })
  const operable = target?.operable ?? operableOf(data['type'], operables, '/data/type')
  const { type, idPrefix } = operable.definition
  const { lid, ...named } = data
  if (lid !== undefined) {
    named['id'] ??= newId(idPrefix as IdPrefix)
    lids.declare(type, lid, String(named['id']))
  }
  const body = { data: lids.resolvedLinkages(named) }
  const creation = readCreation(operable.definition, operable.Input, body)
  return { sent, body, deed: { kind: 'create', operable, creation } }
}

function readChange(
  sent: Record<string, unknown>,
  target: Target | null,
  operables: readonly Operable[],
  lids: LocalIds,
): Operation {
  const body = { data: lids.resolvedData(sent['data']) }
  const { data } = body
  if (!isObject(data)) throw ApiError.of('bad_request', 'must be a resource object', { pointer: '/data' })
  const operable = target?.operable ?? operableOf(data['type'], operables, '/data/type')
  const named = target?.id ?? data['id']
  if (typeof named !== 'string')
    throw ApiError.of('bad_request', 'which one is missing: id or lid', { pointer: '/data' })
  const id = target?.id ?? checkedId(operable, named, '/data/id')
  return {
    sent,
    body,
    deed: { kind: 'update', operable, id, update: readUpdate(operable.definition, operable.Changes, body, id) },
  }
}

function readRemove(sent: Record<string, unknown>, target: Target | null): Operation {
  if (target?.id === undefined) throw ApiError.of('bad_request', 'ref or href names what to remove', { pointer: '' })
  return { sent, body: { data: undefined }, deed: { kind: 'delete', operable: target.operable, id: target.id } }
}

function readRelationship(
  sent: Record<string, unknown>,
  op: 'add' | 'update' | 'remove',
  { operable, id = '', name }: Target & { name: string },
  lids: LocalIds,
): Operation {
  const { definition, Changes } = operable
  const pointer = 'ref' in sent ? '/ref/relationship' : '/href'
  const body = { data: lids.resolvedData(sent['data']) }
  const relationship = definition.relationships.get(name)
  const many = definition.toMany.get(name)
  if (relationship) {
    if (op !== 'update') throw ApiError.of('forbidden', `${name} is one: it is updated`, { pointer: '/op' })
    if (!inputSchemas(Changes).schemas.has(`${name}_id`)) {
      throw ApiError.of('forbidden', `${name} cannot be changed`, { pointer })
    }
    const update = readLinkageUpdate(relationship, Changes, body)
    return { sent, body, deed: { kind: 'update', operable, id, update, relationship } }
  }
  if (!many) throw ApiError.of('not_found', `${definition.type} has no relationship "${name}"`, { pointer })
  if (op === 'update') throw ApiError.of('forbidden', `${name} is not replaced as a whole`, { pointer: '/op' })
  if (!operable.toMany?.[name]) throw ApiError.of('forbidden', `${name} cannot be set`, { pointer })
  const ids = readLinkages(many.target(), body)
  return { sent, body, deed: { kind: op, operable, id, relationship: name, ids } }
}
