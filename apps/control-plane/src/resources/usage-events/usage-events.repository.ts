import { Injectable } from '@nestjs/common'
import { valueOf, type IncludeTree, type ListQuery, type Page, type Row } from '../../jsonapi/index.ts'
import type { UsageEvent } from '../../persistence/generated/client.ts'
import { Database, includeArgument, loadToMany, readPage } from '../../persistence/index.ts'
import { usageEventResource } from './usage-events.resource.ts'

export type UsageEventRow = UsageEvent

@Injectable()
export class UsageEventsRepository {
  constructor(private readonly database: Database) {}

  async list(query: ListQuery): Promise<Page<UsageEventRow>> {
    const page = { ...query, include: null }
    const { rows, ...rest } = await readPage<UsageEventRow>(this.database.prisma, usageEventResource, page)
    return { rows: await this.withRelated(rows, query.include), ...rest }
  }

  async find(id: string, include: IncludeTree | null): Promise<UsageEventRow | null> {
    const row = await this.database.prisma.usageEvent.findFirst({ where: { id } })
    if (row === null) return null
    const [event = null] = await this.withRelated([row], include)
    return event
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
