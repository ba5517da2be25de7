/**
 * What a resource looks like on the wire, said once: documents, query parameters, pointers and the Prisma arguments of a list
 * are all computed from it. Wire names are snake_case, row fields the same name in camelCase.
 */

export type AttributeKind = 'text' | 'integer' | 'bigint' | 'boolean' | 'timestamp' | 'enum' | 'list' | 'json'

export interface AttributeShape {
  kind: AttributeKind
  /** The members of an `enum`. */
  values?: readonly string[]
  /** May be null; `filter[x]=null` finds those. */
  nullable?: boolean
  /** The value of most rows, where an index finds the others: rows with it are counted as all but those. */
  mostly?: string | null
}

export interface Attribute extends AttributeShape {
  name: string
  field: string
}

export interface RelationshipShape {
  /** Lazy, because resources may refer to each other in a circle. */
  target: () => ResourceDefinition
  /** May be empty. */
  nullable?: boolean
}

/** A to-one relationship: its id is in `idField`, the related row, when it was loaded, in `field`. */
export interface Relationship extends RelationshipShape {
  name: string
  field: string
  idField: string
}

export interface ToManyShape {
  target: () => ResourceDefinition
  /** The target's to-one relationship back to this resource, by wire name. */
  inverse: string
}

/** A to-many relationship: what was loaded of the related rows is in `field`, as a `NewestRows`. */
export interface ToMany extends ToManyShape {
  name: string
  field: string
}

/** The newest related rows of one parent, up to `size` of them, and whether there are `more`. */
export interface NewestRows {
  rows: readonly Row[]
  size: number
  more: boolean
}

/** A row of any resource; attributes are read by name. */
export interface Row {
  readonly id: string
}

export interface ResourceDefinition {
  type: string
  /** Of the collection, e.g. `/api/users`. */
  path: string
  /** Ids are `<idPrefix>_…`. */
  idPrefix: string
  attributes: ReadonlyMap<string, Attribute>
  relationships: ReadonlyMap<string, Relationship>
  toMany: ReadonlyMap<string, ToMany>
  /** Write-only attributes and the field that says whether there is one; audit rows show them masked. */
  secrets: ReadonlyMap<string, string>
  /** Takes `page[after]` and `page[before]`. */
  cursor: boolean
  /** Triggers keep the number of its rows, which may be millions; its table is named after the type. */
  counted: boolean
}

type SnakeCase<S extends string> = S extends `${infer Head}${infer Tail}`
  ? Head extends Lowercase<Head>
    ? `${Head}${SnakeCase<Tail>}`
    : `_${Lowercase<Head>}${SnakeCase<Tail>}`
  : S
type FieldsOf<R> = Extract<keyof R, string>
type RelationshipsOf<R> = FieldsOf<R> extends infer F ? (F extends `${infer Name}Id` ? SnakeCase<Name> : never) : never

export interface ResourceShape<R extends Row> {
  type: string
  path: string
  idPrefix: string
  attributes: Partial<Record<SnakeCase<FieldsOf<R>>, AttributeShape>>
  relationships?: Partial<Record<RelationshipsOf<R>, RelationshipShape>>
  toMany?: Record<string, ToManyShape>
  secrets?: Record<string, FieldsOf<R>>
  cursor?: boolean
  counted?: boolean
}

export function defineResource<R extends Row>(shape: ResourceShape<R>): ResourceDefinition {
  // Maps, not objects: names come from clients, and `constructor` must not be found.
  const attributes = Object.entries<AttributeShape | undefined>(shape.attributes).flatMap(([name, attribute]) =>
    attribute ? [[name, { name, field: camelCase(name), ...attribute }] as const] : [],
  )
  const relationships = Object.entries<RelationshipShape | undefined>(shape.relationships ?? {}).flatMap(
    ([name, relationship]) => {
      const field = camelCase(name)
      return relationship ? [[name, { name, field, idField: `${field}Id`, ...relationship }] as const] : []
    },
  )
  const toMany = Object.entries(shape.toMany ?? {}).map(
    ([name, relationship]) => [name, { name, field: camelCase(name), ...relationship }] as const,
  )
  return {
    type: shape.type,
    path: shape.path,
    idPrefix: shape.idPrefix,
    attributes: new Map(attributes),
    relationships: new Map(relationships),
    toMany: new Map(toMany),
    secrets: new Map(Object.entries(shape.secrets ?? {})),
    cursor: shape.cursor ?? false,
    counted: shape.counted ?? false,
  }
}

export function camelCase(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** The relationship of that name, to one or to many. */
export function relationshipOf(definition: ResourceDefinition, name: string): Relationship | ToMany | undefined {
  return definition.relationships.get(name) ?? definition.toMany.get(name)
}

/** The column of the target's rows that holds the id of the resource at this end. */
export function inverseField({ target, inverse }: ToMany): string {
  const relationship = target().relationships.get(inverse)
  if (!relationship) throw new Error(`${target().type} has no relationship "${inverse}"`)
  return relationship.idField
}

export function valueOf(row: Row, field: string): unknown {
  return (row as unknown as Record<string, unknown>)[field]
}
