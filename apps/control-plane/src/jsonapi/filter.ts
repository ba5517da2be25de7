import { ApiError } from '@apigate/errors'
import type { Attribute, ResourceDefinition } from './definition.ts'
import { parseTimestamp } from './timestamp.ts'

export type FilterOperator = 'eq' | 'ne' | 'gte' | 'lte' | 'gt' | 'lt' | 'like'
export type FilterValue = string | number | boolean | Date | null

/** `eq` and `ne` hold for any, and for none, of several values; the other operators have one. */
export interface FilterTerm {
  field: string
  operator: FilterOperator
  values: readonly [FilterValue, ...FilterValue[]]
  nullable: boolean
}

const ordered = ['eq', 'ne', 'gte', 'lte', 'gt', 'lt'] as const
const operatorsByKind: Record<Attribute['kind'], readonly FilterOperator[]> = {
  text: [...ordered, 'like'],
  integer: ordered,
  bigint: ordered,
  timestamp: ordered,
  boolean: ['eq', 'ne'],
  enum: ['eq', 'ne'],
  list: [],
  json: [],
}

/**
 * `filter[name]=a,b` and `filter[name][operator]=value`. A relationship is named `user` or `user_id`. In a list `\,` is a comma
 * and `\\` a backslash; before anything else a backslash is itself.
 *
 * @throws ApiError 400 for an unknown name or operator, or a value that is not of the attribute's kind.
 */
export function readFilter(
  definition: ResourceDefinition,
  parameter: string,
  members: readonly string[],
  text: string,
): FilterTerm {
  const [name = '', operatorName = 'eq'] = members
  const refuse = (detail: string): ApiError => ApiError.of('bad_request', detail, { parameter })
  const attribute = filterable(definition, name)
  const operators = attribute ? operatorsByKind[attribute.kind] : []
  if (!attribute || operators.length === 0) throw refuse(`"${name}" is not an attribute to filter by`)
  const operator = operators.find((known) => known === operatorName)
  if (!operator) throw refuse(`"${operatorName}" is not one of ${operators.join(', ')}`)
  const list = operator === 'eq' || operator === 'ne'
  const [first = '', ...rest] = list ? splitList(text) : [text]
  const read = (item: string): FilterValue => {
    if (list && item === 'null' && attribute.nullable) return null
    const value = readValue(attribute, item)
    if (value === undefined) throw refuse(`"${item}" is not ${valueNames[attribute.kind](attribute)}`)
    return value
  }
  const values = [read(first), ...rest.map(read)] as const
  return { field: attribute.field, operator, values, nullable: attribute.nullable ?? false }
}

/** What a collection can be filtered by, under the names that are told to clients, and how. */
export function filterNames(
  definition: ResourceDefinition,
): { attribute: Attribute; operators: readonly FilterOperator[] }[] {
  return ['id', ...definition.relationships.keys(), ...definition.attributes.keys()].flatMap((name) => {
    const attribute = filterable(definition, name)
    const operators = attribute ? operatorsByKind[attribute.kind] : []
    return attribute && operators.length > 0 ? [{ attribute, operators }] : []
  })
}

function splitList(text: string): string[] {
  const items = ['']
  for (const [token] of text.matchAll(/\\[\\,]|[^]/g)) {
    if (token === ',') items.push('')
    else items[items.length - 1] += token.length === 2 && token.startsWith('\\') ? token.slice(1) : token
  }
  return items
}

function filterable(definition: ResourceDefinition, name: string): Attribute | undefined {
  if (name === 'id') return { name, field: 'id', kind: 'text' }
  const relationship = definition.relationships.get(name) ?? definition.relationships.get(name.replace(/_id$/, ''))
  if (relationship) return { name, field: relationship.idField, kind: 'text', nullable: relationship.nullable ?? false }
  return definition.attributes.get(name) ?? definition.attributes.get(`${name}_id`)
}

const valueNames: Record<Attribute['kind'], (attribute: Attribute) => string> = {
  text: () => 'text',
  integer: () => 'a whole number of at most 32 bits',
  bigint: () => 'a whole number',
  boolean: () => 'true or false',
  timestamp: () => 'a time as in 2026-01-31T12:00:00Z',
  enum: (attribute) => `one of ${(attribute.values ?? []).join(', ')}`,
  list: () => 'a list',
  json: () => 'JSON',
}

/** Undefined when the text is not of the attribute's kind. */
function readValue(attribute: Attribute, text: string): FilterValue | undefined {
  switch (attribute.kind) {
    case 'text':
      return text
    case 'integer':
      return /^-?\d{1,10}$/.test(text) && Number(text) === (Number(text) | 0) ? Number(text) : undefined
    case 'bigint':
      return /^-?\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined
    case 'timestamp':
      return parseTimestamp(text) ?? undefined
    case 'enum':
      return attribute.values?.includes(text) ? text : undefined
    case 'list':
    case 'json':
      return undefined
  }
}
