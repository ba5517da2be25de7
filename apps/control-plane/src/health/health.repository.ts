import { Injectable } from '@nestjs/common'
import { Database } from '../persistence/index.ts'

/** The newest folder of prisma/migrations; a test holds the two together. */
export const newestMigration = '20261122151000_usage_of_keys'

@Injectable()
export class HealthRepository {
  constructor(private readonly database: Database) {}

  /** Whether the database has every migration that this program was built for. Throws when it does not answer. */
  async isMigrated(): Promise<boolean> {
    const [table] = await this.database.prisma.$queryRaw<{ there: boolean }[]>`
      SELECT to_regclass('_prisma_migrations') IS NOT NULL AS there`
    if (!table?.there) return false
    const done = await this.database.prisma.$queryRaw<unknown[]>`
      SELECT 1 FROM _prisma_migrations
      WHERE migration_name = ${newestMigration} AND finished_at IS NOT NULL AND rolled_back_at IS NULL`
    return done.length > 0
  }
}
