import { Injectable } from '@nestjs/common'
import type { IncludeTree, ListQuery, Page } from '../../jsonapi/index.ts'
import type { Prisma, User } from '../../persistence/generated/client.ts'
import { Database, readPage, readRow, type Transaction } from '../../persistence/index.ts'
import { userResource } from './users.resource.ts'

export type UserRow = User

@Injectable()
export class UsersRepository {
  constructor(private readonly database: Database) {}

  async list(query: ListQuery): Promise<Page<UserRow>> {
    return readPage(this.database.prisma, userResource, query)
  }

  async find(id: string, include: IncludeTree | null = null): Promise<UserRow | null> {
    return readRow(this.database.prisma, userResource, id, include)
  }

  /** The row, kept from changing until the transaction ends. */
  async lock(tx: Transaction, id: string): Promise<UserRow | null> {
    await tx.$queryRaw`SELECT 1 FROM users WHERE id = ${id} FOR UPDATE`
    return tx.user.findUnique({ where: { id } })
  }

  async insert(tx: Transaction, data: Prisma.UserUncheckedCreateInput): Promise<UserRow> {
    return tx.user.create({ data })
  }

  async update(tx: Transaction, id: string, data: Prisma.UserUncheckedUpdateInput): Promise<UserRow> {
    return tx.user.update({ where: { id }, data })
  }

  /** The user's keys go with the user. */
  async delete(tx: Transaction, id: string): Promise<void> {
    await tx.user.delete({ where: { id } })
  }

  /** Of all the user's keys, locked in the order in which the ledger notes their use: the cascade has an order of its own. */
  async lockKeyIds(tx: Transaction, id: string): Promise<string[]> {
    const keys = await tx.$queryRaw<{ id: string }[]>`
      SELECT id FROM api_keys WHERE user_id = ${id} ORDER BY id FOR UPDATE`
    return keys.map((key) => key.id)
  }

  async countOwnedGroups(tx: Transaction, id: string): Promise<number> {
    return tx.group.count({ where: { ownerId: id } })
  }
}
