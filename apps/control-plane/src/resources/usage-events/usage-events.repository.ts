import { Injectable } from '@nestjs/common'
import {
  valueOf,
  type IncludeTree,
  type ListQuery,
  type Page,
  type PageRequest,
  type Row,
} from '../../jsonapi/index.ts'
import type { UsageEvent } from '../../persistence/generated/client.ts'
import { Database, includeArgument, listArguments, loadToMany } from '../../persistence/index.ts'
import { usageEventResource } from './usage-events.resource.ts'

export type UsageEventRow = UsageEvent
type CursorPage = Extract<PageRequest, { kind: 'cursor' }>

@Injectable()
export class UsageEventsRepository {
  constructor(private readonly database: Database) {}

  async list(query: ListQuery): Promise<Page<UsageEventRow>> {
    const { include: _, ...page } = listArguments(usageEventResource, query)
    const { usageEvent } = this.database.prisma
    const { rows, ...rest } =
      query.page.kind === 'cursor'
        ? await this.listFrom(query.page, page.where.AND)
        : await Promise.all([usageEvent.findMany(page), usageEvent.count({ where: page.where })]).then(
            ([rows, total]): Page<UsageEventRow> => ({ rows, total }),
          )
    return { rows: await this.withRelated(rows, query.include), ...rest }
  }

  async find(id: string, include: IncludeTree | null): Promise<UsageEventRow | null> {
    const row = await this.database.prisma.usageEvent.findFirst({ where: { id } })
    if (row === null) return null
    const [event = null] = await this.withRelated([row], include)
    return event
  }

  /** Newest first, from a place in the order: an index range whose cost does not grow with the depth. */
  private async listFrom({ direction, cursor, size }: CursorPage, conditions: object[]): Promise<Page<UsageEventRow>> {
    const [order, side, sideOrAt] =
      direction === 'after' ? (['desc', 'lt', 'lte'] as const) : (['asc', 'gt', 'gte'] as const)
    // The first condition bounds the range of the index, the second cuts it to the row.
    const place = cursor && [
      { createdAt: { [sideOrAt]: cursor.createdAt } },
      { OR: [{ createdAt: { [side]: cursor.createdAt } }, { id: { [side]: cursor.id } }] },
    ]
    const found = await this.database.prisma.usageEvent.findMany({
      where: { AND: [...conditions, ...(place ?? [])] },
      orderBy: [{ createdAt: order }, { id: order }],
      take: size + 1,
    })
    const rows = found.slice(0, size)
    return { rows: order === 'desc' ? rows : rows.toReversed(), more: found.length > size }
  }

  /** Loads what `include` names; the ledger has no foreign keys for Prisma to follow. */
  private async withRelated(rows: UsageEventRow[], include: IncludeTree | null): Promise<UsageEventRow[]> {
    const { user, apiKey, route, upstream } = this.database.prisma
    const load: Record<string, (args: { where: { id: { in: string[] } } }) => Promise<Row[]>> = {
      user: (args) => user.findMany(args),
      api_key: (args) => apiKey.findMany(args),
      route: (args) => route.findMany(args),
      upstream: (args) => upstream.findMany(args),
    }
    let complete = rows
    for (const [name, subtree] of include ?? []) {
      const relationship = usageEventResource.relationships.get(name)
      if (!relationship) continue
      const { field, idField, target } = relationship
      const ids = new Set(rows.map((row) => valueOf(row, idField)).filter((id) => typeof id === 'string'))
      const related = await load[name]?.({ where: { id: { in: [...ids] } }, ...includeArgument(target(), subtree) })
      await loadToMany(this.database.prisma, target(), related ?? [], subtree)
      const byId = new Map<unknown, Row>(related?.map((row) => [row.id, row]))
      complete = complete.map((row) => ({ ...row, [field]: byId.get(valueOf(row, idField)) ?? null }))
    }
    return complete
  }
}
