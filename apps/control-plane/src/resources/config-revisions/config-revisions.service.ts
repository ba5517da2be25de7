import { isDeepStrictEqual } from 'node:util'
import { routeProblems, type ConfigItem } from '@apigate/core'
import { ApiError } from '@apigate/errors'
import type { Sealer } from '@apigate/platform'
import { Inject, Injectable } from '@nestjs/common'
import { auditEntry, AuditedWrites, type AuditEntry } from '../../audit/index.ts'
import type { Actor } from '../../auth/index.ts'
import type { VersionedKind } from '../../config-publisher/index.ts'
import {
  existing,
  type ListQuery,
  type Page,
  type ResourceDefinition,
  type Row,
  type Written,
} from '../../jsonapi/index.ts'
import type { Transaction } from '../../persistence/index.ts'
import { SEALER } from '../../settings.module.ts'
import { resourceEvent, type WebhookEvent } from '../../webhook-outbox/index.ts'
import { planResource } from '../plans/index.ts'
import { routeResource } from '../routes/index.ts'
import { upstreamResource } from '../upstreams/index.ts'
import {
  ConfigRevisionsRepository,
  type ConfigRevisionRow,
  type RevisionChange,
} from './config-revisions.repository.ts'
import { configRevisionResource } from './config-revisions.resource.ts'
import { ConfigVersionsRepository, type Difference } from './config-versions.repository.ts'

const definitions: Record<VersionedKind, ResourceDefinition> = {
  plan: planResource,
  upstream: upstreamResource,
  route: routeResource,
}

/** An upstream has no event of its own for a change. */
const eventTypes: Partial<Record<VersionedKind, WebhookEvent['type']>> = {
  plan: 'plan.changed',
  route: 'route.changed',
}

@Injectable()
export class ConfigRevisionsService {
  constructor(
    private readonly revisions: ConfigRevisionsRepository,
    private readonly versions: ConfigVersionsRepository,
    private readonly writes: AuditedWrites,
    @Inject(SEALER) private readonly sealer: Sealer,
  ) {}

  async list(query: ListQuery): Promise<Page<ConfigRevisionRow>> {
    return this.revisions.list(query)
  }

  async get(id: string): Promise<ConfigRevisionRow> {
    const row = existing(configRevisionResource, id, isRevision(id) ? await this.revisions.find(id) : null)
    const audit = await this.revisions.findAudit(row.revision)
    const changes = audit.map(({ action, targetType, targetId, before, after }) =>
      changeOf({ action, targetType, targetId, before: before as object | null, after: after as object | null }),
    )
    return { ...row, changes }
  }

  /**
   * Makes plans, upstreams and routes what they were at a revision, by a new revision. Keys, users and groups stay as they are.
   * A plan made since then that somebody is on cannot go: it stays, and is named in `kept`.
   *
   * @throws ApiError 404 for a revision that is not on record; 409 when something of then cannot run now, or its name is that
   * of a plan that stays.
   */
  async rollback(id: string, actor: Actor): Promise<Written<Rollback>> {
    return this.writes.run(actor, async (tx) => {
      const { revision } = existing(
        configRevisionResource,
        id,
        isRevision(id) ? await this.revisions.find(id, tx) : null,
      )
      await this.versions.lockTables(tx)
      const differences = await this.versions.differences(tx, revision)
      const before = await this.imagesOf(tx, differences)
      const kept = await this.restore(tx, differences)
      const audit: AuditEntry[] = []
      const events: WebhookEvent[] = []
      const items: ConfigItem[] = []
      for (const [index, { kind, id }] of differences.entries()) {
        const { row, item } = await this.versions.image(tx, kind, id)
        this.checkRuns(id, item)
        if (isSame(row, before[index] ?? null)) continue
        audit.push(auditEntry(definitions[kind], 'rollback', before[index] ?? null, row))
        items.push(item)
        const type = eventTypes[kind]
        if (type) events.push(resourceEvent(type, definitions[kind], before[index] ?? null, row))
      }
      return { row: { changes: audit.map(changeOf), kept }, audit, items: inOrder(items), events }
    })
  }

  private async imagesOf(tx: Transaction, differences: readonly Difference[]): Promise<(Row | null)[]> {
    const rows: (Row | null)[] = []
    for (const { kind, id } of differences) rows.push((await this.versions.image(tx, kind, id)).row)
    return rows
  }

  /** What is referred to is written before what refers to it, and deleted after. @returns the plans that stay. */
  private async restore(tx: Transaction, differences: readonly Difference[]): Promise<string[]> {
    const of = (kind: VersionedKind): Difference[] => differences.filter((difference) => difference.kind === kind)
    const plans = of('plan')
    await this.versions.clearUnique(
      tx,
      plans.map(({ id }) => id),
    )
    const kept: string[] = []
    for (const kind of ['plan', 'upstream', 'route'] as const) {
      for (const { wanted } of of(kind)) if (wanted !== null) await this.versions.put(tx, kind, wanted)
    }
    for (const kind of ['route', 'upstream'] as const) {
      for (const { id, wanted } of of(kind)) if (wanted === null) await this.versions.delete(tx, kind, id)
    }
    for (const { id, current, wanted } of plans) {
      if (wanted !== null || current === null) continue
      if (await this.versions.isAssigned(tx, id)) {
        const other = await this.versions.planNamed(tx, current['name'] as string)
        if (other !== null) {
          const reason = `${id} is in use and stays, but its name was that of ${other}: rename it first`
          throw ApiError.of('conflict', reason)
        }
        await this.versions.put(tx, 'plan', { ...current, is_default: false })
        kept.push(id)
      } else await this.versions.delete(tx, 'plan', id)
    }
    return kept
  }

  /** What ran then may not compile, or its secret not open, by the code and with the key of today. */
  private checkRuns(id: string, item: ConfigItem): void {
    if (item.op === 'delete') return
    if (item.kind === 'route') {
      const [problem] = routeProblems(item.value)
      if (problem) throw ApiError.of('conflict', `${id} cannot run as it was: ${problem.field} ${problem.message}`)
    }
    if (item.kind === 'upstream' && item.value.authValueSealed !== null) {
      try {
        this.sealer.open(item.value.authValueSealed)
      } catch {
        throw ApiError.of('conflict', `${id} cannot run as it was: its secret was sealed with another encryption key`)
      }
    }
  }
}

/** Whether it is worth a look into the database. */
function isRevision(id: string): boolean {
  return /^[1-9]\d{0,18}$/.test(id)
}

/** What a rollback did. */
export interface Rollback {
  changes: RevisionChange[]
  /** Ids of plans that are newer than the revision and still in use. */
  kept: string[]
}

/** A plan that stays was written all the same. */
function isSame(one: Row | null, other: Row | null): boolean {
  return isDeepStrictEqual(one && { ...one, updatedAt: null }, other && { ...other, updatedAt: null })
}

/** In the order of snapshots: what is referred to comes first. */
function inOrder(items: ConfigItem[]): ConfigItem[] {
  return (['plan', 'upstream', 'route'] as const).flatMap((kind) => items.filter((item) => item.kind === kind))
}

function changeOf({ action, targetType, targetId, before, after }: AuditEntry): RevisionChange {
  const change = { action, type: targetType, id: targetId, before, after }
  if (before === null || after === null) return change
  const [old, now] = [new Map(Object.entries(before)), new Map(Object.entries(after))]
  const names = [...new Set([...old.keys(), ...now.keys()])]
  const differing = names.filter((name) => name !== 'updated_at' && !isDeepStrictEqual(old.get(name), now.get(name)))
  const pick = (all: Map<string, unknown>): object => Object.fromEntries(differing.map((name) => [name, all.get(name)]))
  return { ...change, before: pick(old), after: pick(now) }
}
