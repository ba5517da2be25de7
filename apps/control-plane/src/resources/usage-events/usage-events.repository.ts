import { Injectable } from '@nestjs/common'
import { valueOf, type FilterTerm, type IncludeTree, type ListQuery, type Page, type Row } from '../../jsonapi/index.ts'
import type { UsageEvent } from '../../persistence/generated/client.ts'
import { Database, includeArgument, loadToMany, readPage } from '../../persistence/index.ts'
import { usageEventResource } from './usage-events.resource.ts'

export type UsageEventRow = UsageEvent

@Injectable()
export class UsageEventsRepository {
  constructor(private readonly database: Database) {}

  async list(query: ListQuery): Promise<Page<UsageEventRow>> {
    const filters = [...query.filters, ...(await this.ownersAndDays(query.filters))]
    const page = { ...query, filters, include: null }
    const { rows, ...rest } = await readPage<UsageEventRow>(this.database.prisma, usageEventResource, page)
    return { rows: await this.withRelated(rows, query.include), ...rest }
  }

  async find(id: string, include: IncludeTree | null): Promise<UsageEventRow | null> {
    const row = await this.database.prisma.usageEvent.findFirst({ where: { id } })
    if (row === null) return null
    const [event = null] = await this.withRelated([row], include)
    return event
  }

  /**
   * What else is true of the events of the keys that were asked for: whose they are and on which days, which the daily sums know.
   * Events have no index by key (decision 35); these terms lead to one they have, or to nothing where there is no sum.
   */
  private async ownersAndDays(filters: readonly FilterTerm[]): Promise<FilterTerm[]> {
    const keys = filters.find(({ field, operator }) => field === 'apiKeyId' && operator === 'eq')?.values
    if (keys === undefined || keys.includes(null)) return []
    const { rows } = await this.database.pool.query<{ users: string[]; groups: string[]; from: Date; to: Date }>(
      `SELECT array_agg(DISTINCT user_id) AS users, array_agg(DISTINCT group_id) AS groups,
         min(day)::timestamp AT TIME ZONE 'UTC' AS from, (max(day) + 1)::timestamp AT TIME ZONE 'UTC' AS to
       FROM usage_daily WHERE api_key_id = ANY($1) HAVING count(*) > 0`,
      [keys],
    )
    const [used] = rows
    if (used === undefined) return [before(new Date(0))]
    const { users, groups, from, to } = used
    const since: FilterTerm = { field: 'createdAt', operator: 'gte', values: [from], nullable: false }
    return [anyOf('userId', users), anyOf('groupId', groups), since, before(to)]
  }

  /** Loads what `include` names; the ledger has no foreign keys for Prisma to follow. */
  private async withRelated(rows: UsageEventRow[], include: IncludeTree | null): Promise<UsageEventRow[]> {
    const { user, group, apiKey, route, upstream } = this.database.prisma
    const load: Record<string, (args: { where: { id: { in: string[] } } }) => Promise<Row[]>> = {
      user: (args) => user.findMany(args),
      group: (args) => group.findMany(args),
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

function before(at: Date): FilterTerm {
  return { field: 'createdAt', operator: 'lt', values: [at], nullable: false }
}

/** In the sums the empty text is no owner of that kind. */
function anyOf(field: string, ids: readonly string[]): FilterTerm {
  const [first = null, ...others] = ids.map((id) => id || null)
  return { field, operator: 'eq', values: [first, ...others], nullable: true }
}
