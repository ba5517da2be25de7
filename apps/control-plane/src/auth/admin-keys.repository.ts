import { Injectable } from '@nestjs/common'
import { Database } from '../persistence/index.ts'

/** A key with what decides whether it may be used here. */
export interface AdminKeyRow {
  id: string
  digest: Uint8Array
  scopes: string[]
  expiresAt: Date | null
  revokedAt: Date | null
  lastUsed: Date | null
  user: { status: string } | null
  group: { status: string } | null
}

@Injectable()
export class AdminKeysRepository {
  constructor(private readonly database: Database) {}

  async findByDigest(digest: Uint8Array<ArrayBuffer>): Promise<AdminKeyRow | null> {
    return this.database.prisma.apiKey.findUnique({
      where: { digest },
      select: {
        ...{ id: true, digest: true, scopes: true, expiresAt: true, revokedAt: true, lastUsed: true },
        ...{ user: { select: { status: true } }, group: { select: { status: true } } },
      },
    })
  }

  async setLastUsed(id: string, at: Date): Promise<void> {
    await this.database.prisma.apiKey.updateMany({ where: { id }, data: { lastUsed: at } })
  }
}
