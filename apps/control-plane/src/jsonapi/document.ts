import type { ErrorObject } from '@apigate/errors'
import {
  valueOf,
  type NewestRows,
  type Relationship,
  type ResourceDefinition,
  type Row,
  type ToMany,
} from './definition.ts'

/** Documents of JSON:API 1.1 (https://jsonapi.org/format/1.1/#document-structure). */

export const mediaType = 'application/vnd.api+json'

export type Links = Record<string, string | null>
export type Meta = Record<string, unknown>

export interface Identifier {
  type: string
  id: string
}

export interface ResourceObject extends Identifier {
  attributes: Record<string, unknown>
  /** A to-many relationship has `data` when its resources are included. */
  relationships?: Record<string, { data?: Identifier | Identifier[] | null; links: Links }>
  links: Links
  meta?: Meta
}

/** Of the extension whose URI is its name: what an operation made or changed; empty where there is nothing to show. */
export interface OperationResult {
  data?: ResourceObject | Identifier | null
}

export const atomicExtension = 'https://jsonapi.org/ext/atomic'

export interface Document {
  jsonapi: { version: '1.1'; ext?: string[] }
  'atomic:results'?: OperationResult[]
  data?: Omit<ResourceObject, 'links'> | ResourceObject[] | Identifier | Identifier[] | null
  included?: ResourceObject[]
  errors?: readonly ErrorObject[]
  links?: Links
  meta?: Meta
}

/** Relationships to follow, by wire name, each with what to follow from there. */
export type IncludeTree = ReadonlyMap<string, IncludeTree>

/** What a client wants to see of the resources: the part of a query that shapes a document. */
export interface Representation {
  /** Names asked for by `fields[type]`; a type that is not in the map shows all of its fields. */
  fields: ReadonlyMap<string, ReadonlySet<string>>
  /** Null when `include` was not sent: then the document has no `included` member. */
  include: IncludeTree | null
}

export const wholeRepresentation: Representation = { fields: new Map(), include: null }

export function document(members: Omit<Document, 'jsonapi'>, ext: string[] = []): Document {
  return { jsonapi: { version: '1.1', ...(ext.length > 0 && { ext }) }, ...members }
}

/** As bytes, because Fastify would add a `charset` to the media type of text, which JSON:API forbids. */
export function encodeDocument(body: Document): Uint8Array {
  return Buffer.from(JSON.stringify(body))
}

export function selfLink(definition: ResourceDefinition, id: string): string {
  return `${definition.path}/${encodeURIComponent(id)}`
}

export function identifier(relationship: Relationship, row: Row): Identifier | null {
  const id = valueOf(row, relationship.idField)
  return typeof id === 'string' ? { type: relationship.target().type, id } : null
}

export function relationshipLinks(definition: ResourceDefinition, { name }: { name: string }, row: Row): Links {
  const self = selfLink(definition, row.id)
  return { self: `${self}/relationships/${name}`, related: `${self}/${name}` }
}

function toManyObject(definition: ResourceDefinition, many: ToMany, row: Row) {
  const links = relationshipLinks(definition, many, row)
  const newest = valueOf(row, many.field) as NewestRows | undefined
  if (!newest) return { links }
  const data = newest.rows.map(({ id }) => ({ type: many.target().type, id }))
  const next = `${links['self']}?page%5Bnumber%5D=2&page%5Bsize%5D=${newest.size}`
  return { data, links: newest.more ? { ...links, next } : links }
}

export function resourceObject(
  definition: ResourceDefinition,
  row: Row,
  fields: Representation['fields'] = wholeRepresentation.fields,
): ResourceObject {
  const wanted = fields.get(definition.type)
  const shown = (name: string): boolean => wanted === undefined || wanted.has(name)
  const attributes: ResourceObject['attributes'] = {}
  for (const { name, field } of definition.attributes.values()) {
    if (shown(name)) attributes[name] = wireValue(valueOf(row, field))
  }
  const relationships: ResourceObject['relationships'] = {}
  for (const relationship of definition.relationships.values()) {
    if (!shown(relationship.name)) continue
    relationships[relationship.name] = {
      data: identifier(relationship, row),
      links: relationshipLinks(definition, relationship, row),
    }
  }
  for (const many of definition.toMany.values()) {
    if (shown(many.name)) relationships[many.name] = toManyObject(definition, many, row)
  }
  return {
    type: definition.type,
    id: row.id,
    attributes,
    ...(Object.keys(relationships).length > 0 && { relationships }),
    links: { self: selfLink(definition, row.id) },
  }
}

/** Timestamps are RFC 3339 UTC; the columns that are bigint hold at most 2^53 - 1. */
export function wireValue(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString()
  if (typeof value === 'bigint') return Number(value)
  return value ?? null
}

/**
 * The compound part of a document: what the include paths reach, intermediate resources too, none twice and none that is
 * primary data already.
 */
export function includedObjects(
  definition: ResourceDefinition,
  rows: readonly Row[],
  { fields, include }: Representation,
): ResourceObject[] {
  const primary = new Set(rows.map((row) => `${definition.type} ${row.id}`))
  const found = new Map<string, { target: ResourceDefinition; row: Row }>()
  const follow = (from: ResourceDefinition, row: Row, tree: IncludeTree): void => {
    for (const [name, subtree] of tree) {
      const many = from.toMany.get(name)
      const one = from.relationships.get(name)
      const related = many
        ? (valueOf(row, many.field) as NewestRows | undefined)?.rows
        : [one && (valueOf(row, one.field) as Row | null | undefined)]
      const target = (many ?? one)?.target()
      for (const next of related ?? []) {
        if (!target || !next) continue
        const key = `${target.type} ${next.id}`
        // Found on two paths, it shows the linkage that either of them goes on by.
        if (!primary.has(key)) found.set(key, { target, row: { ...found.get(key)?.row, ...next } })
        follow(target, next, subtree)
      }
    }
  }
  for (const row of rows) follow(definition, row, include ?? new Map())
  return [...found.values()].map(({ target, row }) => resourceObject(target, row, fields))
}
