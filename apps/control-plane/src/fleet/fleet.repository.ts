import { Injectable } from '@nestjs/common'
import { Database } from '../persistence/index.ts'
import type { ConfigHead } from './fleet.ts'

@Injectable()
export class FleetRepository {
  constructor(private readonly database: Database) {}

  async configHead(): Promise<ConfigHead> {
    const { epoch, revision } = await this.database.prisma.configHead.findUniqueOrThrow({ where: { id: 1 } })
    return { epoch, revision: Number(revision) }
  }
}
