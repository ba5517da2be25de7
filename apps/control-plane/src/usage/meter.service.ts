import { createHash } from 'node:crypto'
import { errorObject, type ErrorObject } from '@apigate/errors'
import { openQuotaCounts, type Logger, type QuotaCounts } from '@apigate/platform'
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common'
import type { ControlPlaneConfig } from '../config.ts'
import { Database } from '../persistence/index.ts'
import { CONFIG, LOG } from '../settings.module.ts'
import { UsageLedger, type MeteredEvent } from '../usage-ingest/index.ts'
import { readMeterBody, type MeterInput } from './meter.input.ts'
import { MeterRepository, type MeteredOwner } from './meter.repository.ts'

export interface MeterOutcome {
  /** New in the ledger. */
  accepted: number
  /** There already; they have changed nothing. */
  repeated: number
  errors: ErrorObject[]
}

/** Usage that did not come by a proxy: into the same ledger, and the same counts of months. */
@Injectable()
export class MeterService implements OnModuleDestroy {
  private readonly ledger: UsageLedger
  private readonly counts: QuotaCounts | null

  constructor(
    private readonly repository: MeterRepository,
    database: Database,
    @Inject(CONFIG) config: ControlPlaneConfig,
    @Inject(LOG) log: Logger,
  ) {
    this.ledger = new UsageLedger(database)
    this.counts = openQuotaCounts(config, log)
  }

  /** Null without a Redis. */
  get isConnected(): boolean | null {
    return this.counts?.isConnected ?? null
  }

  async onModuleDestroy(): Promise<void> {
    await this.counts?.close()
  }

  /** @throws ApiError when the body is no list of events. */
  async meter(body: unknown, requestId: string): Promise<MeterOutcome> {
    const { events, errors } = readMeterBody(body, new Date())
    const owners = await this.repository.owners([...new Set(events.flatMap(idsIn))])
    const pointers = pointersIn(body)
    const rows = new Map<string, MeteredEvent>()
    let valid = 0
    for (const event of events) {
      const owner = ownerOf(event, owners)
      if (owner === null)
        errors.push(errorObject('not_found', 'there is no such owner or key', { pointer: pointers(event.index) }))
      else {
        valid += 1
        const row = rowOf(event, owner, requestId)
        if (!rows.has(row.id)) rows.set(row.id, row)
      }
    }
    const fresh = rows.size === 0 ? new Set<string>() : await this.ledger.meter([...rows.values()])
    await this.count([...rows.values()].filter(({ id }) => fresh.has(id)))
    return { accepted: fresh.size, repeated: valid - fresh.size, errors }
  }

  private async count(fresh: readonly MeteredEvent[]): Promise<void> {
    const sums = new Map<string, { ownerId: string; period: string; units: number }>()
    for (const { group_id, user_id, created_at, metered_units } of fresh) {
      const [ownerId, period] = [group_id ?? user_id ?? '', created_at.slice(0, 7)]
      const units = (sums.get(`${ownerId} ${period}`)?.units ?? 0) + metered_units
      sums.set(`${ownerId} ${period}`, { ownerId, period, units })
    }
    if (sums.size > 0) await this.counts?.add([...sums.values()])
  }
}

function pointersIn(body: unknown): (index: number) => string {
  const name = Array.isArray((body as { events?: unknown }).events) ? 'events' : 'data'
  return (index) => `/${name}/${index}`
}

function idsIn({ userId, groupId, apiKeyId }: MeterInput): string[] {
  return [userId, groupId, apiKeyId].filter((id) => id !== null)
}

/** Null unless everything that is named exists and belongs together. */
function ownerOf({ userId, groupId, apiKeyId }: MeterInput, owners: Map<string, MeteredOwner>): MeteredOwner | null {
  const named = idsIn({ userId, groupId, apiKeyId } as MeterInput).map((id) => owners.get(id))
  const [first] = named
  const isOne = named.every((owner) => owner?.userId === first?.userId && owner?.groupId === first?.groupId)
  return first !== undefined && isOne ? first : null
}

function rowOf(event: MeterInput, owner: MeteredOwner, requestId: string): MeteredEvent {
  const ownerId = owner.groupId ?? owner.userId ?? ''
  // The sender's ids are its own: two owners may have the same.
  const digest = createHash('sha256').update(`${ownerId} ${event.id}`).digest('hex').slice(0, 40)
  return {
    id: `evt_meter_${digest}`,
    created_at: event.createdAt.toISOString(),
    user_id: owner.userId,
    group_id: owner.groupId,
    api_key_id: event.apiKeyId,
    plan_id: owner.planId,
    route_id: event.routeId,
    ...{ method: 'METER', path: '', status_code: 200, metered_units: event.units, request_id: requestId },
  }
}
