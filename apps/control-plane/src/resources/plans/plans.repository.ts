import { Injectable } from '@nestjs/common'
import type { ListQuery, Page } from '../../jsonapi/index.ts'
import type { Plan, Prisma } from '../../persistence/generated/client.ts'
import { Database, readPage, type Transaction } from '../../persistence/index.ts'
import { planResource } from './plans.resource.ts'

export type PlanRow = Plan

@Injectable()
export class PlansRepository {
  constructor(private readonly database: Database) {}

  async list(query: ListQuery): Promise<Page<PlanRow>> {
    return readPage(this.database.prisma, planResource, query)
  }

  async find(id: string, from: Transaction = this.database.prisma): Promise<PlanRow | null> {
    return from.plan.findUnique({ where: { id } })
  }

  /** The row, kept from changing until the transaction ends. */
  async lock(tx: Transaction, id: string): Promise<PlanRow | null> {
    await tx.$queryRaw`SELECT 1 FROM plans WHERE id = ${id} FOR UPDATE`
    return this.find(id, tx)
  }

  async insert(tx: Transaction, data: Prisma.PlanUncheckedCreateInput): Promise<PlanRow> {
    return tx.plan.create({ data })
  }

  async update(tx: Transaction, id: string, data: Prisma.PlanUncheckedUpdateInput): Promise<PlanRow> {
    return tx.plan.update({ where: { id }, data })
  }

  async delete(tx: Transaction, id: string): Promise<void> {
    await tx.plan.delete({ where: { id } })
  }

  async findDefault(tx: Transaction): Promise<PlanRow | null> {
    return tx.plan.findFirst({ where: { isDefault: true } })
  }

  /** One at a time may choose the default plan: else two would each clear the old one and then both set a new one. */
  async lockDefault(tx: Transaction): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('apigate.plans.default'))`
  }

  /** Waits for who is choosing another default plan; until the transaction ends nobody else does. */
  async keepDefault(tx: Transaction): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock_shared(hashtext('apigate.plans.default'))`
  }

  async hasPlans(tx: Transaction): Promise<boolean> {
    return (await tx.plan.findFirst({ select: { id: true } })) !== null
  }

  /** How many users and groups are on the plan. */
  async countAssigned(tx: Transaction, id: string): Promise<number> {
    const where = { planId: id }
    const [users, groups] = [await tx.user.count({ where }), await tx.group.count({ where })]
    return users + groups
  }
}
