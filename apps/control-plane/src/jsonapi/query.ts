import { ApiError } from '@apigate/errors'
import { decodeCursor } from './cursor.ts'
import { relationshipOf, type ResourceDefinition } from './definition.ts'
import { wholeRepresentation, type IncludeTree, type Representation } from './document.ts'
import { readFilter, type FilterTerm } from './filter.ts'
import { pageSizeDefault, pageSizeMax, readPageNumber, type PageRequest } from './page.ts'
import { RequestUrl } from './request-url.ts'

export interface SortTerm {
  field: string
  direction: 'asc' | 'desc'
}

/** What a client asked of one resource. */
export interface ItemQuery extends Representation {
  url: RequestUrl
}

/** What a client asked of a collection. `sort` ends with the id, so that the order is total. */
export interface ListQuery extends ItemQuery {
  page: PageRequest
  sort: readonly SortTerm[]
  filters: readonly FilterTerm[]
}

const itemFamilies = ['include', 'fields'] as const
const listFamilies = ['include', 'fields', 'page', 'sort', 'filter'] as const
type Family = (typeof listFamilies)[number]

/** @throws ApiError 400 naming every parameter that is wrong: unknown, given twice, or with a value that does not fit. */
export function readListQuery(definition: ResourceDefinition, requestUrl: string): ListQuery {
  const url = new RequestUrl(requestUrl)
  const parameters = readParameters(url, listFamilies, url.path.startsWith('/admin/') ? bareFilters(definition) : [])
  const filters = parameters
    .filter(({ family }) => family === 'filter')
    .map(
      ({ name, members, value }) =>
        () =>
          readFilter(definition, name, members, value),
    )
  const [page, sort, representation, ...terms] = collect(
    () => readPage(definition, parameters),
    () => readSort(definition, parameters),
    () => readRepresentation(definition, parameters),
    ...filters,
  )
  if (page.kind === 'cursor' && parameters.some(({ family }) => family === 'sort')) {
    throw ApiError.of('bad_request', 'a cursor follows the order of -created_at: leave sort out', { parameter: 'sort' })
  }
  return { url, page, sort, filters: terms, ...representation }
}

/** The same for a single resource: `include` and `fields` only. */
export function readItemQuery(definition: ResourceDefinition, requestUrl: string): ItemQuery {
  const url = new RequestUrl(requestUrl)
  return { url, ...readRepresentation(definition, readParameters(url, itemFamilies)) }
}

/** For an answer that is the resource as it was written: `fields` only. */
export function readWriteQuery(definition: ResourceDefinition, requestUrl: string): ItemQuery {
  const url = new RequestUrl(requestUrl)
  return { url, ...readRepresentation(definition, readParameters(url, ['fields'])) }
}

/** For the linkage of a to-many relationship: `page` only. */
export function readLinkageQuery(target: ResourceDefinition, requestUrl: string): ListQuery {
  const url = new RequestUrl(requestUrl)
  const page = readPage(target, readParameters(url, ['page']))
  return { url, page, sort: readSort(target, []), filters: [], ...wholeRepresentation }
}

/** For endpoints that take no parameters. */
export function refuseQuery(requestUrl: string): void {
  readParameters(new RequestUrl(requestUrl), [])
}

interface Parameter {
  /** As it was sent, e.g. `filter[name][like]`. */
  name: string
  family: Family
  /** What stands in brackets. */
  members: string[]
  value: string
}

/** On `/admin`, `?user_id=…` and `?status=…` are `filter[user_id]=…` and `filter[status]=…`. */
export function bareFilters(definition: ResourceDefinition): readonly string[] {
  return [...[...definition.relationships.keys()].map((name) => `${name}_id`), 'status']
}

function readParameters(
  url: RequestUrl,
  families: readonly Family[],
  filterNames: readonly string[] = [],
): Parameter[] {
  const seen = new Set<string>()
  const readers = url.parameters.map(([name, value]) => (): Parameter => {
    const source = { parameter: name }
    const path = filterNames.includes(name) ? `filter[${name}]` : name
    const [, base = '', brackets = ''] = /^([^[\]]+)((?:\[[^[\]]*\])*)$/.exec(path) ?? []
    const family = families.find((known) => known === base)
    const members = [...brackets.matchAll(/\[([^[\]]*)\]/g)].map((match) => match[1] ?? '')
    const [least, most] = family === 'filter' ? [1, 2] : family === 'page' || family === 'fields' ? [1, 1] : [0, 0]
    if (family === undefined || members.length < least || members.length > most) {
      throw ApiError.of('bad_request', 'not a query parameter of this endpoint', source)
    }
    if (seen.has(name)) throw ApiError.of('bad_request', 'given more than once', source)
    seen.add(name)
    // PostgreSQL's text holds any character but this one.
    if (value.includes('\0')) throw ApiError.of('bad_request', 'must not contain NUL', source)
    return { name, family, members, value }
  })
  return collect(...readers)
}

function readPage(definition: ResourceDefinition, parameters: readonly Parameter[]): PageRequest {
  const values = new Map<string, string>()
  const known = ['number', 'size', ...(definition.cursor ? ['after', 'before'] : [])]
  for (const { name, family, members, value } of parameters) {
    if (family !== 'page') continue
    const member = members[0] ?? ''
    if (!known.includes(member)) {
      throw ApiError.of('bad_request', `pages are asked for by ${known.join(', ')}`, { parameter: name })
    }
    values.set(member, value)
  }
  const size = Math.min(readPageNumber('page[size]', values.get('size'), pageSizeDefault), pageSizeMax)
  const directions = (['after', 'before'] as const).filter((direction) => values.has(direction))
  const [direction] = directions
  if (direction === undefined) {
    return { kind: 'number', number: readPageNumber('page[number]', values.get('number'), 1), size }
  }
  const parameter = `page[${direction}]`
  if (directions.length > 1 || values.has('number')) {
    throw ApiError.of('bad_request', 'page[after], page[before] and page[number] exclude each other', { parameter })
  }
  const text = values.get(direction) ?? ''
  return { kind: 'cursor', direction, cursor: text === '' ? null : decodeCursor(parameter, text), size }
}

function readSort(definition: ResourceDefinition, parameters: readonly Parameter[]): SortTerm[] {
  const value = parameters.find(({ family }) => family === 'sort')?.value ?? ''
  const byDefault = definition.attributes.has('created_at') ? ['-created_at'] : []
  const terms = (value === '' ? byDefault : value.split(',')).map((term): SortTerm => {
    const name = term.replace(/^-/, '')
    const attribute = definition.attributes.get(name)
    const field = name === 'id' ? 'id' : attribute?.field
    if (field === undefined || attribute?.kind === 'list' || attribute?.kind === 'json') {
      throw ApiError.of('bad_request', `"${name}" is not an attribute to sort by`, { parameter: 'sort' })
    }
    return { field, direction: term.startsWith('-') ? 'desc' : 'asc' }
  })
  // A name given twice orders by its first place only.
  const unique = terms.filter((term, index) => terms.findIndex(({ field }) => field === term.field) === index)
  if (unique.some(({ field }) => field === 'id')) return unique
  return [...unique, { field: 'id', direction: unique.at(-1)?.direction ?? 'asc' }]
}

function readRepresentation(definition: ResourceDefinition, parameters: readonly Parameter[]): Representation {
  const fields = new Map<string, ReadonlySet<string>>()
  const definitions = reachable(definition)
  for (const { name, family, members, value } of parameters) {
    if (family !== 'fields') continue
    const target = definitions.get(members[0] ?? '')
    if (!target) throw ApiError.of('bad_request', 'no such type in this document', { parameter: name })
    const names = value === '' ? [] : value.split(',')
    const unknown = names.find((field) => !target.attributes.has(field) && !relationshipOf(target, field))
    if (unknown !== undefined) {
      throw ApiError.of('bad_request', `${target.type} has no field "${unknown}"`, { parameter: name })
    }
    fields.set(target.type, new Set(names))
  }
  const include = parameters.find(({ family }) => family === 'include')
  return { fields, include: include === undefined ? null : readInclude(definition, include.value) }
}

function readInclude(definition: ResourceDefinition, value: string): IncludeTree {
  const tree = new Map<string, Map<string, never>>()
  for (const path of value === '' ? [] : value.split(',')) {
    let level: Map<string, Map<string, never>> = tree
    let from = definition
    let spread = false
    for (const name of path.split('.')) {
      const relationship = relationshipOf(from, name)
      if (!relationship) {
        throw ApiError.of('bad_request', `${from.type} has no relationship "${name}"`, { parameter: 'include' })
      }
      if (from.toMany.has(name)) {
        // Two would multiply, and could go round in a circle.
        if (spread) throw ApiError.of('bad_request', 'more than one to-many step in a path', { parameter: 'include' })
        spread = true
      }
      const next = level.get(name) ?? new Map<string, never>()
      level.set(name, next)
      level = next
      from = relationship.target()
    }
  }
  return tree
}

/** Definitions by type of all that a document of this resource can hold. */
function reachable(
  definition: ResourceDefinition,
  found = new Map<string, ResourceDefinition>(),
): Map<string, ResourceDefinition> {
  if (found.has(definition.type)) return found
  found.set(definition.type, definition)
  for (const { target } of definition.relationships.values()) reachable(target(), found)
  for (const { target } of definition.toMany.values()) reachable(target(), found)
  return found
}

/** Runs all readers, so that one answer names every mistake. */
function collect<const T extends readonly (() => unknown)[]>(...readers: T): { [K in keyof T]: ReturnType<T[K]> } {
  const errors: ApiError['errors'][number][] = []
  const results = readers.map((read) => {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      errors.push(...error.errors)
      return undefined
    }
  })
  const [first, ...rest] = errors
  if (first) throw new ApiError([first, ...rest])
  return results as { [K in keyof T]: ReturnType<T[K]> }
}
