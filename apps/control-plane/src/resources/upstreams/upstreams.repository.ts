import { Injectable } from '@nestjs/common'
import type { ListQuery, Page } from '../../jsonapi/index.ts'
import { Prisma, type Upstream } from '../../persistence/generated/client.ts'
import { Database, readPage, type Transaction } from '../../persistence/index.ts'
import { upstreamResource } from './upstreams.resource.ts'

export type UpstreamRow = Upstream

/** As Prisma takes it, but for null, which Prisma knows two of. */
type WithNull<T extends { healthCheck?: unknown }> = Omit<T, 'healthCheck'> & {
  healthCheck?: Prisma.InputJsonObject | null | undefined
}

@Injectable()
export class UpstreamsRepository {
  constructor(private readonly database: Database) {}

  async list(query: ListQuery): Promise<Page<UpstreamRow>> {
    return readPage(this.database.prisma, upstreamResource, query)
  }

  async find(id: string, from: Transaction = this.database.prisma): Promise<UpstreamRow | null> {
    return from.upstream.findUnique({ where: { id } })
  }

  /** The row, kept from changing until the transaction ends. */
  async lock(tx: Transaction, id: string): Promise<UpstreamRow | null> {
    await tx.$queryRaw`SELECT 1 FROM upstreams WHERE id = ${id} FOR UPDATE`
    return this.find(id, tx)
  }

  async insert(tx: Transaction, data: WithNull<Prisma.UpstreamUncheckedCreateInput>): Promise<UpstreamRow> {
    return tx.upstream.create({ data: columns(data) })
  }

  async update(tx: Transaction, id: string, data: WithNull<Prisma.UpstreamUncheckedUpdateInput>): Promise<UpstreamRow> {
    return tx.upstream.update({ where: { id }, data: columns(data) })
  }

  async delete(tx: Transaction, id: string): Promise<void> {
    await tx.upstream.delete({ where: { id } })
  }

  async countRoutes(tx: Transaction, id: string): Promise<number> {
    return tx.route.count({ where: { upstreamId: id } })
  }
}

function columns<T extends { healthCheck?: Prisma.InputJsonObject | null | undefined }>({ healthCheck, ...others }: T) {
  return healthCheck === undefined ? others : { ...others, healthCheck: healthCheck ?? Prisma.DbNull }
}
