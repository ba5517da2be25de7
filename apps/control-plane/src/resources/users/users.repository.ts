import { Injectable } from '@nestjs/common'
import type { IncludeTree, ListQuery, Page } from '../../jsonapi/index.ts'
import type { Prisma, User } from '../../persistence/generated/client.ts'
import { Database, readPage, readRow, runPrepared, type Transaction } from '../../persistence/index.ts'
import { userResource } from './users.resource.ts'

export type UserRow = User

const keepStatement = {
  name: 'keep-users',
  text: 'SELECT id FROM users WHERE id = ANY ($1::text[]) ORDER BY id FOR KEY SHARE',
}

/** For one, which is the rule: the other is planned anew each time, for as many as there are. */
const keepOneStatement = { name: 'keep-user', text: 'SELECT id FROM users WHERE id = $1 FOR KEY SHARE' }

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

  /** Those of the ids that users have; they stay until the transaction ends. */
  async keep(tx: Transaction, ids: readonly string[]): Promise<Set<string>> {
    if (ids.length === 0) return new Set()
    const wanted = [...new Set(ids)]
    const rows =
      wanted.length === 1
        ? await runPrepared<{ id: string }>(tx, keepOneStatement, wanted)
        : await runPrepared<{ id: string }>(tx, keepStatement, [wanted])
    return new Set(rows.map(({ id }) => id))
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
  async lockKeys(tx: Transaction, id: string): Promise<{ id: string; revoked: boolean }[]> {
    return tx.$queryRaw`
      SELECT id, revoked_at IS NOT NULL AS revoked FROM api_keys WHERE user_id = ${id} ORDER BY id FOR UPDATE`
  }

  /** Ends the user's sessions, but for one. */
  async endSessions(tx: Transaction, userId: string, exceptId: string | null): Promise<void> {
    await tx.session.deleteMany({ where: { userId, ...(exceptId !== null && { NOT: { id: exceptId } }) } })
  }

  /** Whether somebody besides this user can sign in. */
  async hasAdmin(exceptId: string | null = null, from: Transaction = this.database.prisma): Promise<boolean> {
    const canSignIn = { role: 'admin', status: 'active', passwordHash: { not: null } } as const
    const where = { ...canSignIn, ...(exceptId !== null && { NOT: { id: exceptId } }) }
    return (await from.user.findFirst({ where, select: { id: true } })) !== null
  }

  /** One at a time may make the first admin, or take a right from one: else two could each leave the other as the last. */
  async lockAdmins(tx: Transaction): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('apigate.users.admins'))`
  }

  async emailTaken(tx: Transaction, email: string): Promise<boolean> {
    const found = await tx.$queryRaw<unknown[]>`SELECT 1 FROM users WHERE lower(email) = lower(${email})`
    return found.length > 0
  }

  async countOwnedGroups(tx: Transaction, id: string): Promise<number> {
    return tx.group.count({ where: { ownerId: id } })
  }
}
