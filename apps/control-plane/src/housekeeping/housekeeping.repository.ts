import { Injectable } from '@nestjs/common'
import { countedTables, Database, divideParts } from '../persistence/index.ts'
import { apiKeyResource } from '../resources/api-keys/index.ts'
import { appendWebhookEvents, resourceEvent } from '../webhook-outbox/index.ts'

@Injectable()
export class HousekeepingRepository {
  constructor(private readonly database: Database) {}

  /**
   * Raises `key.expired` for keys whose end has come. For which end it was raised is noted with the key in the same
   * transaction: so once, however many processes look, and again when a key was given a new end.
   *
   * @returns how many; as many as the limit means that there may be more.
   */
  async noteExpiredKeys(now: Date, limit: number): Promise<number> {
    return this.database.transaction(async (tx) => {
      const due = await tx.$queryRaw<{ id: string }[]>`
        SELECT id FROM api_keys
        WHERE expires_at <= ${now} AND expires_at IS NOT NULL AND expiry_noted_at IS DISTINCT FROM expires_at
        ORDER BY id LIMIT ${limit} FOR NO KEY UPDATE SKIP LOCKED`
      const ids = due.map(({ id }) => id)
      if (ids.length === 0) return 0
      await tx.$executeRaw`UPDATE api_keys SET expiry_noted_at = expires_at WHERE id = ANY(${ids})`
      // One that was revoked before has ended already.
      const keys = await tx.apiKey.findMany({ where: { id: { in: ids }, revokedAt: null }, orderBy: { id: 'asc' } })
      await appendWebhookEvents(
        tx,
        keys.map((key) => resourceEvent('key.expired', apiKeyResource, key, key)),
      )
      return ids.length
    })
  }

  /** The deliveries go with their events. @returns how many events. */
  async deleteWebhookEvents(before: Date, limit: number): Promise<number> {
    return this.database.prisma.$executeRaw`
      DELETE FROM webhook_events WHERE id IN (
        SELECT id FROM webhook_events WHERE created_at < ${before} ORDER BY created_at LIMIT ${limit})`
  }

  async deleteAuditEvents(before: Date, limit: number): Promise<number> {
    return this.database.prisma.$executeRaw`
      DELETE FROM audit_events WHERE id IN (
        SELECT id FROM audit_events WHERE created_at < ${before} ORDER BY created_at LIMIT ${limit})`
  }

  /** One step towards parts of counted tables that are small. @returns whether there may be more to do. */
  async divideParts(): Promise<boolean> {
    let isMore = false
    for (const table of countedTables) if (await divideParts(this.database.prisma, table)) isMore = true
    return isMore
  }
}
