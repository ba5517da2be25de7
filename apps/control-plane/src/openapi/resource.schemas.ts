import {
  inputSchemas,
  nullable,
  type Attribute,
  type InputClass,
  type JsonSchema,
  type Relationship,
  type ResourceDefinition,
  type ToMany,
} from '../jsonapi/index.ts'
import { ref, schemaName } from './openapi.names.ts'

/** JSON Schemas of what is answered: resource objects and documents (JSON:API 1.1 §7), from the definitions. */

type Schemas = Record<string, JsonSchema>

const kinds: Record<Attribute['kind'], JsonSchema> = {
  text: { type: 'string' },
  integer: { type: 'integer', format: 'int32' },
  bigint: { type: 'integer', format: 'int64', maximum: Number.MAX_SAFE_INTEGER },
  boolean: { type: 'boolean' },
  timestamp: { type: 'string', format: 'date-time' },
  enum: { type: 'string' },
  list: { type: 'array', items: { type: 'string' } },
  json: {},
}

export function attributeSchema(attribute: Attribute): JsonSchema {
  const schema = { ...kinds[attribute.kind], ...(attribute.values && { enum: attribute.values }) }
  return attribute.nullable ? nullable(schema) : schema
}

/** Every type that documents can hold, each with its object, identifier and documents. `inputs` tell what JSON attributes hold. */
export function resourceSchemas(
  definitions: Iterable<ResourceDefinition>,
  inputs: ReadonlyMap<ResourceDefinition, InputClass<object>>,
): Schemas {
  const all = [...definitions].map((definition) => schemasOf(definition, inputs.get(definition)))
  return Object.assign({}, sharedSchemas, ...all) as Schemas
}

function schemasOf(definition: ResourceDefinition, Input: InputClass<object> | undefined): Schemas {
  const name = schemaName(definition)
  const sent = Input ? inputSchemas(Input).schemas : new Map<string, JsonSchema>()
  const attributes = [...definition.attributes.values()].map((attribute): [string, JsonSchema] => {
    const known = attribute.kind === 'json' ? sent.get(attribute.name) : undefined
    return [attribute.name, known ?? attributeSchema(attribute)]
  })
  const relationships = [
    ...[...definition.relationships.values()].map((one): [string, JsonSchema] => [one.name, relationshipSchema(one)]),
    ...[...definition.toMany.values()].map((many): [string, JsonSchema] => [many.name, toManySchema(many)]),
  ]
  return {
    [`${name}Attributes`]: closed(Object.fromEntries(attributes)),
    [`${name}Identifier`]: identifierSchema(definition),
    [name]: {
      type: 'object',
      properties: {
        type: { const: definition.type },
        id: idSchema(definition),
        attributes: ref('schemas', `${name}Attributes`),
        ...(relationships.length > 0 && { relationships: closed(Object.fromEntries(relationships)) }),
        links: closed({ self: { type: 'string' } }),
        meta: { type: 'object' },
      },
      required: ['type', 'id', 'attributes', ...(relationships.length > 0 ? ['relationships'] : []), 'links'],
    },
    [`${name}Document`]: documentSchema(ref('schemas', name), definition, { links: closed({ self: link }) }),
    [`${name}Collection`]: documentSchema({ type: 'array', items: ref('schemas', name) }, definition, {
      links: ref('schemas', 'PageLinks'),
      meta: ref('schemas', definition.cursor ? 'CursorPageMeta' : 'PageMeta'),
    }),
  }
}

const link: JsonSchema = { type: 'string', description: 'A URI reference.' }

/** All properties are there and no others. */
function closed(properties: Record<string, JsonSchema>): JsonSchema {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false }
}

export function idSchema({ idPrefix }: ResourceDefinition): JsonSchema {
  // Workers name themselves.
  return idPrefix === '' ? { type: 'string' } : { type: 'string', pattern: `^${idPrefix}_[A-Za-z0-9._-]{1,128}$` }
}

function identifierSchema(definition: ResourceDefinition): JsonSchema {
  return {
    type: 'object',
    properties: { type: { const: definition.type }, id: { type: 'string' } },
    required: ['type', 'id'],
  }
}

/** The linkage of a relationship: what its `data` may be. */
export function linkageSchema({ target, nullable: empty }: Relationship): JsonSchema {
  const identifier = ref('schemas', `${schemaName(target())}Identifier`)
  return empty ? { anyOf: [identifier, { type: 'null' }] } : identifier
}

function relationshipSchema(relationship: Relationship): JsonSchema {
  return closed({ data: linkageSchema(relationship), links: ref('schemas', 'RelationshipLinks') })
}

function toManySchema(many: ToMany): JsonSchema {
  const links = closed({ self: link, related: link })
  return {
    type: 'object',
    description: '`data` is there when the related resources are included; `links.next` when those are not all.',
    properties: {
      data: manyLinkageSchema(many),
      links: { ...links, properties: { self: link, related: link, next: link } },
    },
    required: ['links'],
    additionalProperties: false,
  }
}

export function manyLinkageSchema({ target }: ToMany): JsonSchema {
  return { type: 'array', items: ref('schemas', `${schemaName(target())}Identifier`) }
}

/** A page of the linkage of a to-many relationship. */
export function manyLinkageDocument(many: ToMany): JsonSchema {
  const links = { allOf: [ref('schemas', 'PageLinks'), { type: 'object', properties: { related: link } }] }
  const properties = {
    ...{ jsonapi: ref('schemas', 'JsonApi'), data: manyLinkageSchema(many), links },
    meta: ref('schemas', many.target().cursor ? 'CursorPageMeta' : 'PageMeta'),
  }
  return { type: 'object', properties, required: Object.keys(properties) }
}

export function linkageDocument(relationship: Relationship): JsonSchema {
  return closed({
    jsonapi: ref('schemas', 'JsonApi'),
    data: linkageSchema(relationship),
    links: ref('schemas', 'RelationshipLinks'),
  })
}

/** The related resource, or null where there is none. */
export function relatedDocument({ target }: Relationship): JsonSchema {
  const data = { anyOf: [ref('schemas', schemaName(target())), { type: 'null' }] }
  return documentSchema(data, target(), { links: closed({ self: link }) })
}

function documentSchema(
  data: JsonSchema,
  definition: ResourceDefinition,
  members: { links: JsonSchema; meta?: JsonSchema },
): JsonSchema {
  const types = [...reachable(definition)].map((target) => ref('schemas', schemaName(target)))
  return {
    type: 'object',
    properties: {
      jsonapi: ref('schemas', 'JsonApi'),
      data,
      ...(types.length > 1 && { included: { type: 'array', items: { anyOf: types } } }),
      meta: { type: 'object' },
      ...members,
    },
    required: ['jsonapi', 'data', ...Object.keys(members)],
  }
}

/** The definition and all that its relationships lead to. */
export function reachable(definition: ResourceDefinition, found = new Set<ResourceDefinition>()) {
  if (found.has(definition)) return found
  found.add(definition)
  for (const { target } of definition.relationships.values()) reachable(target(), found)
  for (const { target } of definition.toMany.values()) reachable(target(), found)
  return found
}

const count: JsonSchema = { type: 'integer', minimum: 0 }
const maybeLink: JsonSchema = { type: ['string', 'null'] }
const pageMeta = { total: count, page: count, per_page: count, pages: { type: 'integer', minimum: 1 } }

const sharedSchemas: Schemas = {
  JsonApi: closed({ version: { const: '1.1' } }),
  RelationshipLinks: closed({ self: link, related: link }),
  PageLinks: {
    type: 'object',
    description: 'What is not there, or null, has no such page. By cursor there is no `first` and no `last`.',
    properties: { self: link, first: maybeLink, prev: maybeLink, next: maybeLink, last: maybeLink },
    required: ['self'],
  },
  PageMeta: { type: 'object', properties: pageMeta, required: Object.keys(pageMeta) },
  CursorPageMeta: {
    type: 'object',
    description: 'By cursor, rows are not counted: `per_page` only.',
    properties: pageMeta,
    required: ['per_page'],
  },
}
