import type { FilterTerm, IncludeTree, ListQuery, ResourceDefinition } from '../jsonapi/index.ts'

/** Arguments of Prisma's `findMany` and `count` for a JSON:API query. Fields were checked against the definition before. */
export interface ListArguments {
  where: { AND: object[] }
  orderBy: object[]
  skip: number
  take: number
  include?: object
}

/** Prisma's `skip` is 32 bits; no table that is paged by number has so many rows. */
const skipMax = 2_147_483_647

export function listArguments(definition: ResourceDefinition, query: ListQuery): ListArguments {
  const { page } = query
  return {
    where: { AND: query.filters.map(condition) },
    orderBy: query.sort.map(({ field, direction }) => ({ [field]: direction })),
    skip: page.kind === 'number' ? Math.min((page.number - 1) * page.size, skipMax) : 0,
    take: page.size,
    ...includeArgument(definition, query.include),
  }
}

/** `{ include }` for the related rows of to-one steps (see `loadToMany` for the others), or nothing when there are none. */
export function includeArgument(definition: ResourceDefinition, tree: IncludeTree | null): { include?: object } {
  const include: Record<string, unknown> = {}
  for (const [name, subtree] of tree ?? []) {
    const relationship = definition.relationships.get(name)
    if (!relationship) continue
    const nested = includeArgument(relationship.target(), subtree)
    include[relationship.field] = nested.include ? nested : true
  }
  return Object.keys(include).length > 0 ? { include } : {}
}

function condition({ field, operator, values, nullable }: FilterTerm): object {
  const [value] = values
  const equal = { OR: values.map((one) => ({ [field]: one })) }
  switch (operator) {
    case 'eq':
      return equal
    case 'ne':
      // SQL's NOT leaves out null, which is different from every value but null.
      return nullable && !values.includes(null) ? { OR: [{ NOT: equal }, { [field]: null }] } : { NOT: equal }
    case 'like':
      // Prisma passes LIKE's wildcards through.
      return { [field]: { contains: String(value).replaceAll(/[\\%_]/g, '\\$&'), mode: 'insensitive' } }
    case 'gte':
    case 'lte':
    case 'gt':
    case 'lt':
      return { [field]: { [operator]: value } }
  }
}
