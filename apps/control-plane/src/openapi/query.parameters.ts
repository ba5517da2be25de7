import {
  bareFilters,
  filterNames,
  pageSizeDefault,
  pageSizeMax,
  type Attribute,
  type FilterOperator,
  type JsonSchema,
  type ResourceDefinition,
} from '../jsonapi/index.ts'
import { pascalCase, ref, schemaName } from './openapi.names.ts'
import { attributeSchema, reachable } from './resource.schemas.ts'

/** Query parameters of the families that JSON:API reserves (jsonapi/query.ts), each under its whole name. */

export interface Parameter {
  name: string
  in: 'query' | 'path' | 'header'
  description?: string
  required?: boolean
  style?: string
  explode?: boolean
  schema: JsonSchema
}

export type Parameters = Record<string, Parameter>

/** Of a collection. */
export function listParameters(definition: ResourceDefinition): Parameters {
  const sortable = [...definition.attributes.values()].filter(({ kind }) => kind !== 'list' && kind !== 'json')
  const sort = ['id', ...sortable.map(({ name }) => name)].flatMap((name) => [name, `-${name}`])
  return named(definition, [
    ...pageParameters(definition),
    commaList('sort', sort, `In this order, \`-\` for descending.`),
    ...filterParameters(definition),
  ])
}

/** Of a collection under `/admin`. */
export function bareParameters(definition: ResourceDefinition): Parameters {
  return named(
    definition,
    bareFilters(definition).map((name) => query(name, `The same as \`filter[${name}]\`.`, { type: 'string' })),
  )
}

/** Of whatever answers with resources of this type. */
export function representationParameters(definition: ResourceDefinition, include: boolean): Parameters {
  const fields = [...reachable(definition)].map(({ type, attributes, relationships, toMany }) =>
    commaList(
      `fields[${type}]`,
      [...attributes.keys(), ...relationships.keys(), ...toMany.keys()],
      `Only these of every one of ${type}.`,
    ),
  )
  const paths = include ? includePaths(definition) : []
  const included = paths.length > 0 ? [commaList('include', paths, 'Related resources to send along.')] : []
  return named(definition, [...included, ...(include ? fields : fields.slice(0, 1))])
}

/** One and two steps; more are taken. */
function includePaths(definition: ResourceDefinition): string[] {
  return steps(definition).flatMap(({ name, target, toMany }) => [
    name,
    // One step of a path may be to-many.
    ...steps(target()).flatMap((next) => (toMany && next.toMany ? [] : [`${name}.${next.name}`])),
  ])
}

function steps({ relationships, toMany }: ResourceDefinition) {
  return [
    ...[...relationships.values()].map(({ name, target }) => ({ name, target, toMany: false })),
    ...[...toMany.values()].map(({ name, target }) => ({ name, target, toMany: true })),
  ]
}

/** Of the linkage of a to-many relationship. */
export function linkageParameters(target: ResourceDefinition): Parameters {
  return named(target, pageParameters(target))
}

function pageParameters({ cursor }: ResourceDefinition): Parameter[] {
  const number = { type: 'integer', minimum: 1, default: 1 }
  const size = { type: 'integer', minimum: 1, maximum: pageSizeMax, default: pageSizeDefault }
  const cursors = [
    query('page[after]', 'Rows after this cursor, newest first; empty: from the newest.', { type: 'string' }),
    query('page[before]', 'Rows before this cursor; empty: up to the oldest.', { type: 'string' }),
  ]
  return [query('page[number]', '', number), query('page[size]', '', size), ...(cursor ? cursors : [])]
}

function filterParameters(definition: ResourceDefinition): Parameter[] {
  return filterNames(definition).flatMap(({ attribute, operators }) =>
    operators.map((operator) => filterParameter(attribute, operator)),
  )
}

function filterParameter(attribute: Attribute, operator: FilterOperator): Parameter {
  const { name, nullable: empty } = attribute
  const { format: _, ...schema } = attributeSchema({ ...attribute, nullable: false })
  if (operator !== 'eq' && operator !== 'ne') return query(`filter[${name}][${operator}]`, says[operator], schema)
  const items = empty ? { anyOf: [schema, { const: 'null' }] } : schema
  const parameter = { ...query(operator === 'eq' ? `filter[${name}]` : `filter[${name}][ne]`, says[operator], items) }
  return { ...parameter, style: 'form', explode: false, schema: { type: 'array', items } }
}

const says: Record<FilterOperator, string> = {
  eq: 'Any of these.',
  ne: 'None of these.',
  gte: 'At least.',
  lte: 'At most.',
  gt: 'More than.',
  lt: 'Less than.',
  like: 'Contains, without regard to case.',
}

function commaList(name: string, values: readonly string[], description: string): Parameter {
  const schema = { type: 'array', items: { type: 'string', enum: values } }
  return { ...query(name, description, schema), style: 'form', explode: false }
}

export function query(name: string, description: string, schema: JsonSchema): Parameter {
  return { name, in: 'query', ...(description !== '' && { description }), schema }
}

/** By the name of the component. */
function named(definition: ResourceDefinition, parameters: Parameter[]): Parameters {
  const shared = new Set(['page[number]', 'page[size]', 'page[after]', 'page[before]'])
  return Object.fromEntries(
    parameters.map((parameter) => {
      const own = shared.has(parameter.name) || parameter.name.startsWith('fields[')
      return [`${own ? '' : schemaName(definition)}${pascalCase(parameter.name)}`, parameter]
    }),
  )
}

export function references(parameters: Parameters): { $ref: string }[] {
  return Object.keys(parameters).map((name) => ref('parameters', name))
}
