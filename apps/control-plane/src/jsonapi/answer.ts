import { cursorLinks, encodeCursor } from './cursor.ts'
import type { Relationship, ResourceDefinition, Row, ToMany } from './definition.ts'
import {
  document,
  identifier,
  includedObjects,
  relationshipLinks,
  resourceObject,
  selfLink,
  type Document,
  type Meta,
} from './document.ts'
import { versionOf } from './etag.ts'
import { pageLinks, pageMeta, type Page } from './page.ts'
import type { ItemQuery, ListQuery } from './query.ts'

/** What a controller answers; the interceptor sends it. */
export interface Answer {
  status: number
  headers: Record<string, string>
  /** Null for an answer without a body. */
  document: Document | null
  /** Of the resource that the answer shows (see etag.ts); the tag of any other answer is of its body alone. */
  version?: string
  /** It shows the resource as it is by default, so that its tag is the version. */
  plain?: boolean
}

/** A row as a write left it, and the configuration revision that it is part of. */
export interface Written<R> {
  row: R
  revision: bigint
}

export function collectionAnswer<R extends Row>(
  definition: ResourceDefinition,
  query: ListQuery,
  found: Page<R>,
  meta: Meta = {},
): Answer {
  const data = found.rows.map((row) => {
    const object = resourceObject(definition, row, query.fields)
    return query.page.kind === 'cursor' ? { ...object, meta: cursorMeta(row as unknown as CursorRow) } : object
  })
  return ok(document({ data, ...included(definition, found.rows, query), ...pagingOf(query, found, meta) }))
}

function pagingOf({ page, url }: ListQuery, { rows, total = 0, more = false }: Page<Row>, meta: Meta) {
  return page.kind === 'number'
    ? { links: pageLinks(url, total, page), meta: { ...pageMeta(total, page), ...meta } }
    : { links: cursorLinks(url, page, rows as unknown as CursorRow[], more), meta: { per_page: page.size, ...meta } }
}

type CursorRow = Row & { createdAt: Date }

function cursorMeta(row: CursorRow): Meta {
  return { page: { cursor: encodeCursor(row) } }
}

export function resourceAnswer(definition: ResourceDefinition, query: ItemQuery, row: Row, meta?: Meta): Answer {
  const body = document({
    data: { ...resourceObject(definition, row, query.fields), ...(meta && { meta }) },
    ...included(definition, [row], query),
    links: { self: query.url.with({}) },
  })
  const plain = query.fields.size === 0 && query.include === null && meta === undefined
  return { ...ok(body), version: versionOf(definition, row), plain }
}

/** 201 with `Location`; `meta` is the resource's. */
export function createdAnswer(
  definition: ResourceDefinition,
  query: ItemQuery,
  written: Written<Row>,
  meta?: Meta,
): Answer {
  const answer = updatedAnswer(definition, query, written, meta)
  const location = selfLink(definition, written.row.id)
  return { ...answer, status: 201, headers: { ...answer.headers, location } }
}

export function updatedAnswer(
  definition: ResourceDefinition,
  query: ItemQuery,
  { row, revision }: Written<Row>,
  meta?: Meta,
): Answer {
  const self = selfLink(definition, row.id)
  const data = { ...resourceObject(definition, row, query.fields), ...(meta && { meta }) }
  const headers = revisionHeader(revision)
  // The tag with which the next write may follow, whatever part of the resource is shown here.
  const tag = { version: versionOf(definition, row), plain: true }
  return { status: 200, headers, document: document({ data, links: { self } }), ...tag }
}

export function deletedAnswer({ revision }: { revision: bigint }): Answer {
  return { status: 204, headers: revisionHeader(revision), document: null }
}

/** The related resource itself; `data` is null when there is none. */
export function relatedAnswer(target: ResourceDefinition, query: ItemQuery, row: Row | null): Answer {
  const data = row && resourceObject(target, row, query.fields)
  return ok(document({ data, ...included(target, row ? [row] : [], query), links: { self: query.url.with({}) } }))
}

/** The linkage of a relationship. */
export function linkageAnswer(definition: ResourceDefinition, relationship: Relationship, row: Row): Answer {
  const links = relationshipLinks(definition, relationship, row)
  const body = document({ data: identifier(relationship, row), links })
  return { ...ok(body), version: versionOf(definition, row) }
}

/** A page of the linkage of a to-many relationship. */
export function linkagePageAnswer(
  definition: ResourceDefinition,
  many: ToMany,
  parent: Row,
  query: ListQuery,
  page: Page<Row>,
): Answer {
  const { type } = many.target()
  const { links, meta } = pagingOf(query, page, {})
  const { related } = relationshipLinks(definition, many, parent)
  const data = page.rows.map(({ id }) => ({ type, id }))
  return ok(document({ data, links: { ...links, ...(related && { related }) }, meta }))
}

export function ok(body: Document): Answer {
  return { status: 200, headers: {}, document: body }
}

export function revisionHeader(revision: bigint): Record<string, string> {
  return { 'x-config-revision': String(revision) }
}

function included(definition: ResourceDefinition, rows: readonly Row[], query: ItemQuery): Pick<Document, 'included'> {
  return query.include === null ? {} : { included: includedObjects(definition, rows, query) }
}
