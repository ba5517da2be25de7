import { ApiError } from '@apigate/errors'
import { isIdOf, isObject } from '../jsonapi/index.ts'
import type { LocalIds } from './local-ids.ts'
import type { Operable } from './operable.ts'

/** What an operation is about: a collection, a resource of it, or a relationship of that. */
export interface Target {
  operable: Operable
  id?: string
  relationship?: string
}

/** What `ref` or `href` names, or null when there is neither. @throws ApiError 400 or 404, with a pointer into the operation. */
export function readTarget(
  { ref, href }: Record<string, unknown>,
  operables: readonly Operable[],
  lids: LocalIds,
): Target | null {
  if (ref !== undefined && href !== undefined)
    throw ApiError.of('bad_request', 'send ref or href', { pointer: '/href' })
  if (href !== undefined) return fromHref(href, operables)
  return ref === undefined ? null : fromRef(ref, operables, lids)
}

/** The type that an operation names. @throws ApiError 400 */
export function operableOf(type: unknown, operables: readonly Operable[], pointer: string): Operable {
  const found = operables.find(({ definition }) => definition.type === type)
  if (found) return found
  const types = operables.map(({ definition }) => definition.type).join(', ')
  throw ApiError.of('bad_request', `operations write ${types}`, { pointer })
}

/** @throws ApiError 404 for what cannot be an id of this type. */
export function checkedId({ definition }: Operable, id: string, pointer: string): string {
  if (isIdOf(definition, id)) return id
  throw ApiError.of('not_found', `${definition.type} has no "${id}"`, { pointer })
}

function fromRef(sent: unknown, operables: readonly Operable[], lids: LocalIds): Target {
  const ref = lids.resolved(sent, '/ref')
  if (!isObject(ref) || typeof ref['id'] !== 'string') {
    throw ApiError.of('bad_request', 'must be {"type", "id"} or {"type", "lid"}', { pointer: '/ref' })
  }
  const { type, id, relationship } = ref
  const operable = operableOf(type, operables, '/ref/type')
  const target = { operable, id: checkedId(operable, id, '/ref/id') }
  if (relationship === undefined) return target
  if (typeof relationship === 'string') return { ...target, relationship }
  throw ApiError.of('bad_request', 'a relationship is named by text', { pointer: '/ref/relationship' })
}

/** A path of this API, as its links have it: of a collection, a resource or a relationship. */
function fromHref(href: unknown, operables: readonly Operable[]): Target {
  const pointer = '/href'
  const path = typeof href === 'string' && href.startsWith('/') ? href : ''
  const operable = operables.find(({ definition }) => `${path}/`.startsWith(`${definition.path}/`))
  const [id, word, relationship, ...more] = operable
    ? path.slice(operable.definition.path.length + 1).split('/')
    : ['?']
  if (!operable || path.includes('?') || more.length > 0 || (word !== undefined && word !== 'relationships')) {
    throw ApiError.of('bad_request', 'must be the path of a collection, a resource or a relationship', { pointer })
  }
  if (id === undefined || id === '') return { operable }
  const target = { operable, id: checkedId(operable, id, pointer) }
  if (word === undefined) return target
  if (relationship) return { ...target, relationship }
  throw ApiError.of('bad_request', 'must name a relationship', { pointer })
}
