import { ApiError } from '@apigate/errors'
import { newId } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import { auditEntry, AuditedWrites } from '../../audit/index.ts'
import type { Actor } from '../../auth/index.ts'
import { userItem } from '../../config-publisher/index.ts'
import {
  existing,
  refuseChanges,
  rowFields,
  type Creation,
  type IncludeTree,
  type ListQuery,
  type Page,
  type Update,
  type Written,
} from '../../jsonapi/index.ts'
import { PlansService } from '../plans/index.ts'
import { resourceEvent, type WebhookEvent } from '../../webhook-outbox/index.ts'
import type { UserInput } from './users.input.ts'
import { UsersRepository, type UserRow } from './users.repository.ts'
import { userResource } from './users.resource.ts'

const dayMs = 86_400_000

@Injectable()
export class UsersService {
  constructor(
    private readonly users: UsersRepository,
    private readonly plans: PlansService,
    private readonly writes: AuditedWrites,
  ) {}

  async list(query: ListQuery): Promise<Page<UserRow>> {
    return this.users.list(query)
  }

  async get(id: string, include: IncludeTree | null): Promise<UserRow> {
    return existing(userResource, id, await this.users.find(id, include))
  }

  async create({ id, input }: Creation<UserInput>, actor: Actor): Promise<Written<UserRow>> {
    return this.writes.run(actor, async (tx) => {
      const plan = await this.plans.assignable(tx, input.plan_id)
      const row = await this.users.insert(tx, {
        ...{ id: id ?? newId('usr'), email: '', ...rowFields(input) },
        ...{ planId: plan.id, trialEndsAt: trialEnd(plan.trialDays) },
      })
      return {
        row,
        audit: [auditEntry(userResource, 'create', null, row)],
        items: [userItem(row)],
        events: [resourceEvent('user.created', userResource, null, row)],
      }
    })
  }

  async update(id: string, update: Update<UserInput>, actor: Actor): Promise<Written<UserRow>> {
    const { input } = update
    return this.writes.run(actor, async (tx) => {
      const before = existing(userResource, id, await this.users.lock(tx, id))
      refuseChanges(userResource, before, update)
      // Who has a disabled plan keeps it; the trial is that of the new plan.
      const moves = input.plan_id !== undefined && input.plan_id !== before.planId
      const trial = moves ? { trialEndsAt: trialEnd((await this.plans.assignable(tx, input.plan_id)).trialDays) } : {}
      const row = await this.users.update(tx, id, { ...rowFields(input), ...trial })
      return {
        row,
        audit: [auditEntry(userResource, 'update', before, row)],
        items: [userItem(row)],
        events: updateEvents(before, row),
      }
    })
  }

  async delete(id: string, actor: Actor): Promise<Written<null>> {
    return this.writes.run(actor, async (tx) => {
      const before = existing(userResource, id, await this.users.lock(tx, id))
      const groups = await this.users.countOwnedGroups(tx, id)
      if (groups > 0) throw ApiError.of('conflict', `still the owner of ${groups} groups`)
      const keys = await this.users.lockKeyIds(tx, id)
      await this.users.delete(tx, id)
      return {
        row: null,
        audit: [auditEntry(userResource, 'delete', before, null)],
        items: [
          ...keys.map((key) => ({ kind: 'key', op: 'delete', id: key }) as const),
          { kind: 'user', op: 'delete', id },
        ],
      }
    })
  }
}

function updateEvents(before: UserRow, row: UserRow): WebhookEvent[] {
  const suspended = row.status === 'suspended' && before.status !== 'suspended'
  const types = [
    'user.updated' as const,
    ...(suspended ? (['user.suspended'] as const) : []),
    ...(row.planId === before.planId ? [] : (['plan.changed'] as const)),
  ]
  return types.map((type) => resourceEvent(type, userResource, before, row))
}

function trialEnd(trialDays: number): Date | null {
  return trialDays > 0 ? new Date(Date.now() + trialDays * dayMs) : null
}
