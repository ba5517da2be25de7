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
  /** Of the user or the group that it belongs to; null for a key that belongs to nobody. */
  ownerStatus: string | null
}

/** Of every request: prepared, and one look-up. */
const findStatement = {
  name: 'find-admin-key',
  text: `SELECT k.id, k.digest, k.scopes, k.expires_at AS "expiresAt", k.revoked_at AS "revokedAt",
      k.last_used AS "lastUsed", coalesce(u.status::text, g.status::text) AS "ownerStatus"
    FROM api_keys k LEFT JOIN users u ON u.id = k.user_id LEFT JOIN groups g ON g.id = k.group_id
    WHERE k.digest = $1`,
}

@Injectable()
export class AdminKeysRepository {
  constructor(private readonly database: Database) {}

  async findByDigest(digest: Uint8Array<ArrayBuffer>): Promise<AdminKeyRow | null> {
    const { rows } = await this.database.pool.query<AdminKeyRow>({ ...findStatement, values: [digest] })
    return rows[0] ?? null
  }

  async setLastUsed(id: string, at: Date): Promise<void> {
    await this.database.prisma.apiKey.updateMany({ where: { id }, data: { lastUsed: at } })
  }
}
