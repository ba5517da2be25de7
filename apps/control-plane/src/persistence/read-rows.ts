// Not by index.ts, which comes back here.
import {
  camelCase,
  inverseField,
  valueOf,
  type ResourceDefinition,
  type Row,
  type ToMany,
} from '../jsonapi/definition.ts'
import type { IncludeTree, ListQuery, NewestRows, Page, PageRequest } from '../jsonapi/index.ts'
import type { Transaction } from './database.ts'
import { Prisma } from './generated/client.ts'
import { includeArgument, listArguments, type ListArguments } from './list-arguments.ts'
import { readParts, rowsOf, startNear, type Part } from './row-parts.ts'

/** What is asked of a Prisma model. */
interface Model {
  findMany(query: Partial<ListArguments>): Promise<Row[]>
  findUnique(query: { where: { id: string }; include?: object }): Promise<Row | null>
  count(all: Pick<ListArguments, 'where'>): Promise<number>
}

/**
 * The rows of the page that a query asks for, with the related ones that it includes, and how many there are in all (by
 * number) or whether more follow (by cursor).
 */
export async function readPage<R extends Row>(
  prisma: Transaction,
  definition: ResourceDefinition,
  query: ListQuery,
): Promise<Page<R>> {
  const model = modelOf(prisma, definition)
  const page = listArguments(definition, query)
  const { rows, ...rest } =
    query.page.kind === 'cursor'
      ? await readFrom(model, page, query.page)
      : await readNumbered(prisma, definition, query, page)
  await loadToMany(prisma, definition, rows, query.include)
  return { rows: rows as R[], ...rest }
}

async function readNumbered(
  prisma: Transaction,
  definition: ResourceDefinition,
  query: ListQuery,
  page: ListArguments,
): Promise<Page<Row>> {
  const model = modelOf(prisma, definition)
  if (page.skip < deepFrom) {
    const [rows, total] = await Promise.all([model.findMany(page), countRows(prisma, definition, query, page)])
    return { rows, total }
  }
  if (definition.counted && query.filters.length === 0) {
    const parts = await readParts(prisma, definition.type)
    const total = rowsOf(parts)
    return { rows: await readDeep(model, page, total, parts), total }
  }
  const total = await countRows(prisma, definition, query, page)
  return { rows: await readDeep(model, page, total), total }
}

/** Rows before a page, from which on it is worth a second look-up not to read them whole. */
const deepFrom = 1_000

/**
 * The ids alone are found in an index that has the order, from its nearer end, or from the beginning of the part that the place
 * is in; then the rows by their ids. Without parts that is linear in the depth: a cursor is not.
 */
async function readDeep(
  model: Model,
  { where, orderBy, skip, take, include }: ListArguments,
  total: number,
  parts: readonly Part[] = [],
): Promise<Row[]> {
  const size = Math.min(take, total - skip)
  if (size <= 0) return []
  const fromEnd = total - skip - size
  const isNearEnd = fromEnd < skip
  const order = isNearEnd ? orderBy.map(reversed) : orderBy
  const place = isNearEnd ? fromEnd : skip
  const start = startNear(parts, order, place)
  const found = await model.findMany({
    ...{ where: { AND: [...where.AND, ...start.where] }, orderBy: order, select: { id: true } },
    ...{ skip: place - start.before, take: size },
  })
  const ids = (isNearEnd ? found.toReversed() : found).map(({ id }) => id)
  const rows = await model.findMany({ where: { AND: [{ id: { in: ids } }] }, ...(include && { include }) })
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.flatMap((id) => byId.get(id) ?? [])
}

/** PostgreSQL puts nulls last in ascending order and first in descending, so that this is the same order backwards. */
function reversed(term: object): object {
  return Object.fromEntries(Object.entries(term).map(([field, order]) => [field, order === 'asc' ? 'desc' : 'asc']))
}

/** Exactly what `count(*)` says; of large tables the number of all rows is known, and only a part is counted. */
async function countRows(
  prisma: Transaction,
  definition: ResourceDefinition,
  { filters }: ListQuery,
  { where }: ListArguments,
): Promise<number> {
  const model = modelOf(prisma, definition)
  const others = definition.counted ? allBut(definition, filters) : null
  if (others === null) return model.count({ where })
  const [parts, left] = await Promise.all([
    readParts(prisma, definition.type),
    others.length > 0 ? model.count({ where: { AND: others } }) : 0,
  ])
  return rowsOf(parts) - left
}

/** Conditions of the rows that a filter leaves out, empty for none; null where counting those is not less work. */
function allBut(definition: ResourceDefinition, filters: ListQuery['filters']): object[] | null {
  const [term, ...more] = filters
  if (term === undefined) return []
  const attribute = [...definition.attributes.values()].find(({ field }) => field === term.field)
  const isOne = more.length === 0 && term.operator === 'eq' && term.values.length === 1
  if (!isOne || attribute?.mostly === undefined || attribute.mostly !== term.values[0]) return null
  const { field, mostly, values = [] } = attribute
  return [{ [field]: mostly === null ? { not: null } : { in: values.filter((value) => value !== mostly) } }]
}

/** Newest first, from a place in the order: an index range whose cost does not grow with the depth. */
async function readFrom(
  model: Model,
  { where, include }: ListArguments,
  { direction, cursor, size }: Extract<PageRequest, { kind: 'cursor' }>,
): Promise<Page<Row>> {
  const [order, side, sideOrAt] =
    direction === 'after' ? (['desc', 'lt', 'lte'] as const) : (['asc', 'gt', 'gte'] as const)
  // The first condition bounds the range of the index, the second cuts it to the row.
  const place = cursor && [
    { createdAt: { [sideOrAt]: cursor.createdAt } },
    { OR: [{ createdAt: { [side]: cursor.createdAt } }, { id: { [side]: cursor.id } }] },
  ]
  const found = await model.findMany({
    where: { AND: [...where.AND, ...(place ?? [])] },
    orderBy: [{ createdAt: order }, { id: order }],
    take: size + 1,
    ...(include && { include }),
  })
  const rows = found.slice(0, size)
  return { rows: order === 'desc' ? rows : rows.toReversed(), more: found.length > size }
}

/** A row with the related ones that `include` names, or null. */
export async function readRow<R extends Row>(
  prisma: Transaction,
  definition: ResourceDefinition,
  id: string,
  include: IncludeTree | null = null,
): Promise<R | null> {
  const row = await modelOf(prisma, definition).findUnique({ where: { id }, ...includeArgument(definition, include) })
  if (row) await loadToMany(prisma, definition, [row], include)
  return row as R | null
}

/** Every row, in order of the ids; for resources of which there are thousands at most. */
export async function readAll(prisma: Transaction, definition: ResourceDefinition): Promise<Row[]> {
  return modelOf(prisma, definition).findMany({ orderBy: [{ id: 'asc' }] })
}

/** Loads what to-many steps of `include` name into rows whose to-one steps are loaded. */
export async function loadToMany(
  prisma: Transaction,
  definition: ResourceDefinition,
  rows: readonly Row[],
  include: IncludeTree | null,
): Promise<void> {
  for (const [name, subtree] of include ?? []) {
    const one = definition.relationships.get(name)
    const many = definition.toMany.get(name)
    if (one) {
      const related = rows.flatMap((row) => (valueOf(row, one.field) as Row | null | undefined) ?? [])
      await loadToMany(prisma, one.target(), related, subtree)
    } else if (many) {
      const parents = [...new Set(rows.map(({ id }) => id))]
      const size = includedOfEach(parents.length)
      const related = await newestOfEach(prisma, many, parents, size + 1, subtree)
      for (const row of rows) {
        const loaded = related.get(row.id) ?? []
        const newest: NewestRows = { rows: loaded.slice(0, size), size, more: loaded.length > size }
        Object.assign(row, { [many.field]: newest })
      }
    }
  }
}

/** How many resources a to-many step may include of all parents, and how many of each it always and at most does. */
const includedMax = 1_000
const ofEachMin = 10
const ofEachMax = 100

function includedOfEach(parents: number): number {
  return Math.min(ofEachMax, Math.max(ofEachMin, Math.floor(includedMax / Math.max(1, parents))))
}

/**
 * Of each parent the newest related rows, in the order of the related collection. Prisma would read all of them to keep
 * those.
 */
async function newestOfEach(
  prisma: Transaction,
  many: ToMany,
  parents: string[],
  limit: number,
  include: IncludeTree,
): Promise<Map<string, Row[]>> {
  const target = many.target()
  const table = Prisma.raw(`"${target.type}"`)
  const column = Prisma.raw(`"${many.inverse}_id"`)
  const newest = await prisma.$queryRaw<{ id: string }[]>`
    SELECT newest.id FROM unnest(${parents}::text[]) AS parent (id) CROSS JOIN LATERAL (
      SELECT id FROM ${table} WHERE ${column} = parent.id ORDER BY created_at DESC, id DESC LIMIT ${limit}
    ) newest`
  const rows = await modelOf(prisma, target).findMany({
    where: { AND: [{ id: { in: newest.map(({ id }) => id) } }] },
    orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
    ...includeArgument(target, include),
  })
  return Map.groupBy(rows, (row) => valueOf(row, inverseField(many)) as string)
}

/** Models are named after types: `group_members` is `groupMember`. */
function modelOf(prisma: Transaction, { type }: ResourceDefinition): Model {
  const name = camelCase(type.replace(/ies$/, 'y').replace(/s$/, ''))
  const model = (prisma as unknown as Record<string, Model | undefined>)[name]
  if (!model) throw new Error(`there is no model "${name}"`)
  return model
}
