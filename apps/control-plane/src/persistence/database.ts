import { Injectable, type OnModuleDestroy } from '@nestjs/common'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { PrismaClient } from './generated/client.ts'

/**
 * The control plane's way to PostgreSQL: one pool, used by Prisma for resources and directly where a statement is beyond
 * Prisma (ingest, snapshot reads, LISTEN).
 */
@Injectable()
export class Database implements OnModuleDestroy {
  readonly pool: pg.Pool
  readonly prisma: PrismaClient

  constructor(databaseUrl: string) {
    this.pool = new pg.Pool({ connectionString: databaseUrl, max: 10 })
    // A broken idle connection is replaced by the pool; without a listener it would end the process.
    this.pool.on('error', () => {})
    this.prisma = new PrismaClient({ adapter: new PrismaPg(this.pool) })
  }

  async onModuleDestroy(): Promise<void> {
    await this.prisma.$disconnect()
    await this.pool.end()
  }
}
