import { Injectable } from '@nestjs/common'
import { Database } from '../persistence/index.ts'
import { appendWebhookEvents, webhookEvent } from '../webhook-outbox/index.ts'
import type { ReportedTarget } from './fleet.opinion.ts'

/** Whether webhooks know of it is a row; the row and the event are one transaction, so each change is told once. */
@Injectable()
export class UpstreamHealthRepository {
  constructor(private readonly database: Database) {}

  /** The upstreams of which was told that they are unhealthy. */
  async told(): Promise<string[]> {
    const rows = await this.database.prisma.upstreamHealth.findMany({ select: { upstreamId: true } })
    return rows.map(({ upstreamId }) => upstreamId)
  }

  /** @param workers that are live. @returns whether it was news; never of an upstream that is gone or disabled. */
  async tellUnhealthy(id: string, targets: readonly ReportedTarget[], workers: number, now: Date): Promise<boolean> {
    return this.database.transaction(async (tx) => {
      const upstream = await tx.upstream.findUnique({ where: { id, enabled: true }, select: { name: true } })
      const news = await tx.$executeRaw`
        INSERT INTO upstream_health (upstream_id, unhealthy_since)
        SELECT id, ${now} FROM upstreams WHERE id = ${id} AND enabled ON CONFLICT DO NOTHING`
      if (upstream === null || news === 0) return false
      const data = { type: 'upstreams', id, name: upstream.name, unhealthy_since: now, workers, targets }
      await appendWebhookEvents(tx, [webhookEvent('upstream.unhealthy', data)])
      return true
    })
  }

  /** @returns whether it was news; of an upstream that was disabled meanwhile it is forgotten and not told. */
  async tellHealthy(id: string): Promise<boolean> {
    return this.database.transaction(async (tx) => {
      const [gone] = await tx.$queryRaw<{ name: string; enabled: boolean; unhealthySince: Date }[]>`
        DELETE FROM upstream_health USING upstreams
        WHERE upstream_id = ${id} AND upstreams.id = upstream_id
        RETURNING name, enabled, unhealthy_since AS "unhealthySince"`
      if (!gone?.enabled) return false
      const data = { type: 'upstreams', id, name: gone.name, unhealthy_since: gone.unhealthySince }
      await appendWebhookEvents(tx, [webhookEvent('upstream.healthy', data)])
      return true
    })
  }
}
