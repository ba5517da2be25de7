import { Injectable } from '@nestjs/common'
import type { IncludeTree, ListQuery, Page } from '../../jsonapi/index.ts'
import type { Group, Prisma } from '../../persistence/generated/client.ts'
import { Database, readPage, readRow, type Transaction } from '../../persistence/index.ts'
import { groupResource } from './groups.resource.ts'

export type GroupRow = Group

@Injectable()
export class GroupsRepository {
  constructor(private readonly database: Database) {}

  async list(query: ListQuery): Promise<Page<GroupRow>> {
    return readPage(this.database.prisma, groupResource, query)
  }

  async find(id: string, include: IncludeTree | null = null): Promise<GroupRow | null> {
    return readRow(this.database.prisma, groupResource, id, include)
  }

  /** The row, kept from changing until the transaction ends; whoever writes members of the group holds it, too. */
  async lock(tx: Transaction, id: string): Promise<GroupRow | null> {
    await tx.$queryRaw`SELECT 1 FROM groups WHERE id = ${id} FOR UPDATE`
    return tx.group.findUnique({ where: { id } })
  }

  /** Those of the ids that groups have; they stay until the transaction ends. */
  async keep(tx: Transaction, ids: readonly string[]): Promise<Set<string>> {
    if (ids.length === 0) return new Set()
    const rows = await tx.$queryRaw<{ id: string }[]>`
      SELECT id FROM groups WHERE id = ANY (${[...new Set(ids)]}) ORDER BY id FOR KEY SHARE`
    return new Set(rows.map(({ id }) => id))
  }

  async insert(tx: Transaction, data: Prisma.GroupUncheckedCreateInput): Promise<GroupRow> {
    return tx.group.create({ data })
  }

  async update(tx: Transaction, id: string, data: Prisma.GroupUncheckedUpdateInput): Promise<GroupRow> {
    return tx.group.update({ where: { id }, data })
  }

  /** The group's keys and members go with it. */
  async delete(tx: Transaction, id: string): Promise<void> {
    await tx.group.delete({ where: { id } })
  }

  /** Of all the group's keys, locked in the order in which the ledger notes their use. */
  async lockKeys(tx: Transaction, id: string): Promise<{ id: string; revoked: boolean }[]> {
    return tx.$queryRaw`
      SELECT id, revoked_at IS NOT NULL AS revoked FROM api_keys WHERE group_id = ${id} ORDER BY id FOR UPDATE`
  }

  /** The taken slugs among `slug` and `slug-…`; who asks next waits until this transaction has ended. */
  async lockSlugsLike(tx: Transaction, slug: string): Promise<Set<string>> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('apigate.groups.slug'))`
    const rows = await tx.group.findMany({
      where: { OR: [{ slug }, { slug: { startsWith: `${slug}-` } }] },
      select: { slug: true },
    })
    return new Set(rows.map((row) => row.slug))
  }
}
