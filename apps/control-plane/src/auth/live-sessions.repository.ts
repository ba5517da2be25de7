import { Injectable } from '@nestjs/common'
import { Database } from '../persistence/index.ts'

/** A session with what decides whether it may be used. */
export interface LiveSessionRow {
  id: string
  userId: string
  tokenDigest: Uint8Array
  expiresAt: Date
  lastSeenAt: Date
  user: { status: string; role: string }
}

@Injectable()
export class LiveSessionsRepository {
  constructor(private readonly database: Database) {}

  async findByDigest(tokenDigest: Uint8Array<ArrayBuffer>): Promise<LiveSessionRow | null> {
    return this.database.prisma.session.findUnique({
      where: { tokenDigest },
      select: {
        ...{ id: true, userId: true, tokenDigest: true, expiresAt: true, lastSeenAt: true },
        user: { select: { status: true, role: true } },
      },
    })
  }

  async setLastSeen(id: string, at: Date): Promise<void> {
    await this.database.prisma.session.updateMany({ where: { id }, data: { lastSeenAt: at } })
  }
}
