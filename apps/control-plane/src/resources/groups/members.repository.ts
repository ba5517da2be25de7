import { Injectable } from '@nestjs/common'
import type { IncludeTree, ListQuery, Page } from '../../jsonapi/index.ts'
import type { GroupMember, Prisma } from '../../persistence/generated/client.ts'
import { Database, readPage, readRow, type Transaction } from '../../persistence/index.ts'
import { memberResource } from './groups.resource.ts'

export type MemberRow = GroupMember

/** Members are written by who holds the lock of their group (`GroupsRepository.lock`). */
@Injectable()
export class MembersRepository {
  constructor(private readonly database: Database) {}

  async list(query: ListQuery): Promise<Page<MemberRow>> {
    return readPage(this.database.prisma, memberResource, query)
  }

  async find(id: string, include: IncludeTree | null = null): Promise<MemberRow | null> {
    return readRow(this.database.prisma, memberResource, id, include)
  }

  /** The row, kept from changing until the transaction ends. */
  async lock(tx: Transaction, id: string): Promise<MemberRow | null> {
    await tx.$queryRaw`SELECT 1 FROM group_members WHERE id = ${id} FOR UPDATE`
    return this.read(tx, id)
  }

  async read(tx: Transaction, id: string): Promise<MemberRow | null> {
    return tx.groupMember.findUnique({ where: { id } })
  }

  async readAll(tx: Transaction, ids: readonly string[]): Promise<MemberRow[]> {
    return tx.groupMember.findMany({ where: { id: { in: [...ids] } } })
  }

  async readOf(tx: Transaction, groupId: string, userId: string): Promise<MemberRow | null> {
    return tx.groupMember.findUnique({ where: { groupId_userId: { groupId, userId } } })
  }

  async insert(tx: Transaction, data: Prisma.GroupMemberUncheckedCreateInput): Promise<MemberRow> {
    return tx.groupMember.create({ data })
  }

  async setRole(tx: Transaction, id: string, role: MemberRow['role']): Promise<MemberRow> {
    return tx.groupMember.update({ where: { id }, data: { role } })
  }

  async delete(tx: Transaction, ids: readonly string[]): Promise<void> {
    await tx.groupMember.deleteMany({ where: { id: { in: [...ids] } } })
  }
}
