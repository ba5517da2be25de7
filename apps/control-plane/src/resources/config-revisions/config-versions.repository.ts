import { Injectable } from '@nestjs/common'
import type { ConfigItem } from '@apigate/core'
import { planItem, routeItem, upstreamItem, type VersionedKind } from '../../config-publisher/index.ts'
import { Prisma } from '../../persistence/generated/client.ts'
import type { Transaction } from '../../persistence/index.ts'
import type { Row } from '../../jsonapi/index.ts'

type Columns = Record<string, unknown>

/** A resource that is not as it was at the revision to go back to. */
export interface Difference {
  kind: VersionedKind
  id: string
  /** Its row now, by column; null when it is not there. */
  current: Columns | null
  /** Its row then. */
  wanted: Columns | null
}

const tables: Record<VersionedKind, string> = { plan: 'plans', upstream: 'upstreams', route: 'routes' }

/** Plans, upstreams and routes as whole rows, whatever columns they have: versions outlive the code that wrote them. */
@Injectable()
export class ConfigVersionsRepository {
  /** Until the transaction ends nobody else changes plans, upstreams or routes. */
  async lockTables(tx: Transaction): Promise<void> {
    await tx.$executeRaw`LOCK TABLE plans, upstreams, routes IN SHARE ROW EXCLUSIVE MODE`
  }

  /** What differs between now and a revision; `updated_at` alone is no difference. */
  async differences(tx: Transaction, revision: bigint): Promise<Difference[]> {
    return tx.$queryRaw<Difference[]>`
      WITH touched AS (
        SELECT DISTINCT kind, target_id AS id FROM config_versions WHERE revision > ${revision}
      ), compared AS (
        SELECT kind, id, CASE kind
            WHEN 'plan' THEN (SELECT to_jsonb(p) FROM plans p WHERE p.id = touched.id)
            WHEN 'upstream' THEN (SELECT to_jsonb(u) FROM upstreams u WHERE u.id = touched.id)
            WHEN 'route' THEN (SELECT to_jsonb(r) FROM routes r WHERE r.id = touched.id)
          END AS current,
          (SELECT v."row" FROM config_versions v
            WHERE v.kind = touched.kind AND v.target_id = touched.id AND v.revision <= ${revision}
            ORDER BY v.revision DESC LIMIT 1) AS wanted
        FROM touched
      )
      SELECT kind, id, current, wanted FROM compared
      WHERE current - 'updated_at' IS DISTINCT FROM wanted - 'updated_at'
      ORDER BY kind, id`
  }

  /** Writes a row as it was; a column that it did not have yet keeps its value, or gets its default. */
  async put(tx: Transaction, kind: VersionedKind, row: Columns): Promise<void> {
    const table = tables[kind]
    const known = await tx.$queryRaw<{ name: string }[]>`
      SELECT column_name::text AS name FROM information_schema.columns
      WHERE table_schema = current_schema() AND table_name = ${table}`
    const names = known.map(({ name }) => name).filter((name) => Object.hasOwn(row, name) && name !== 'updated_at')
    const columns = Prisma.raw(names.map((name) => `"${name}"`).join(', '))
    const updates = Prisma.raw(names.map((name) => `"${name}" = EXCLUDED."${name}"`).join(', '))
    await tx.$executeRaw`
      INSERT INTO ${Prisma.raw(table)} (${columns})
      SELECT ${columns} FROM jsonb_populate_record(NULL::${Prisma.raw(table)}, ${JSON.stringify(row)}::jsonb)
      ON CONFLICT (id) DO UPDATE SET ${updates}, updated_at = now()`
  }

  async delete(tx: Transaction, kind: VersionedKind, id: string): Promise<void> {
    await tx.$executeRaw`DELETE FROM ${Prisma.raw(tables[kind])} WHERE id = ${id}`
  }

  /** Frees names and the place of the default plan, so that plans may trade them. */
  async clearUnique(tx: Transaction, planIds: string[]): Promise<void> {
    await tx.$executeRaw`UPDATE plans SET name = id, is_default = false WHERE id = ANY(${planIds})`
  }

  async isAssigned(tx: Transaction, planId: string): Promise<boolean> {
    const where = { planId }
    return (await tx.user.count({ where })) + (await tx.group.count({ where })) > 0
  }

  /** The id of the plan that has the name; null when none has. */
  async planNamed(tx: Transaction, name: string): Promise<string | null> {
    return (await tx.plan.findFirst({ where: { name }, select: { id: true } }))?.id ?? null
  }

  /** A resource as it is now, and as workers see it. */
  async image(tx: Transaction, kind: VersionedKind, id: string): Promise<{ row: Row | null; item: ConfigItem }> {
    const gone: ConfigItem = { kind, op: 'delete', id }
    switch (kind) {
      case 'plan': {
        const row = await tx.plan.findUnique({ where: { id } })
        return { row, item: row ? planItem(row) : gone }
      }
      case 'upstream': {
        const row = await tx.upstream.findUnique({ where: { id } })
        return { row, item: row ? upstreamItem(row) : gone }
      }
      case 'route': {
        const row = await tx.route.findUnique({ where: { id } })
        return { row, item: row ? routeItem(row) : gone }
      }
    }
  }
}
