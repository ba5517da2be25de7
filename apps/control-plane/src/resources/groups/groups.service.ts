import { newId } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import { auditEntry, AuditedWrites } from '../../audit/index.ts'
import type { Actor } from '../../auth/index.ts'
import { groupItem } from '../../config-publisher/index.ts'
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
import type { Transaction } from '../../persistence/index.ts'
import { goneEvent, resourceEvent } from '../../webhook-outbox/index.ts'
import { PlansService } from '../plans/index.ts'
import { UsersService } from '../users/index.ts'
import { freeSlug, slugOf } from './group-slug.ts'
import type { GroupInput } from './groups.input.ts'
import { GroupsRepository, type GroupRow } from './groups.repository.ts'
import { groupResource } from './groups.resource.ts'
import { MembersService } from './members.service.ts'

@Injectable()
export class GroupsService {
  constructor(
    private readonly groups: GroupsRepository,
    private readonly members: MembersService,
    private readonly users: UsersService,
    private readonly plans: PlansService,
    private readonly writes: AuditedWrites,
  ) {}

  async list(query: ListQuery): Promise<Page<GroupRow>> {
    return this.groups.list(query)
  }

  async get(id: string, include: IncludeTree | null): Promise<GroupRow> {
    return existing(groupResource, id, await this.groups.find(id, include))
  }

  async create({ id, input }: Creation<GroupInput>, actor: Actor): Promise<Written<GroupRow>> {
    const { name = '', owner_id: ownerId = '' } = input
    return this.writes.run(actor, async (tx) => {
      await this.users.mustExist(tx, ownerId, 'owner_id')
      const plan = await this.plans.assignable(tx, input.plan_id)
      const row = await this.groups.insert(tx, {
        ...{ ...rowFields(input), id: id ?? newId('grp'), name, ownerId, planId: plan.id },
        slug: input.slug ?? (await this.slugFor(tx, name)),
      })
      const owner = await this.members.insertOwner(tx, row)
      return { row, audit: [auditEntry(groupResource, 'create', null, row), owner], items: [groupItem(row)] }
    })
  }

  async update(id: string, update: Update<GroupInput>, actor: Actor): Promise<Written<GroupRow>> {
    const { owner_id: ownerId, ...input } = update.input
    return this.writes.run(actor, async (tx) => {
      const before = existing(groupResource, id, await this.groups.lock(tx, id))
      refuseChanges(groupResource, before, update)
      // A group that has a disabled plan keeps it.
      if (input.plan_id !== undefined && input.plan_id !== before.planId) {
        await this.plans.assignable(tx, input.plan_id)
      }
      const moves = ownerId !== undefined && ownerId !== before.ownerId
      const { audit } = moves ? await this.members.makeOwner(tx, before, { userId: ownerId }) : { audit: [] }
      const row = await this.groups.update(tx, id, rowFields(input))
      return {
        row,
        audit: [auditEntry(groupResource, 'update', before, row), ...audit],
        items: [groupItem(row)],
        events: row.planId === before.planId ? [] : [resourceEvent('plan.changed', groupResource, before, row)],
      }
    })
  }

  async delete(id: string, actor: Actor): Promise<Written<null>> {
    return this.writes.run(actor, async (tx) => {
      const before = existing(groupResource, id, await this.groups.lock(tx, id))
      const keys = await this.groups.lockKeys(tx, id)
      await this.groups.delete(tx, id)
      return {
        row: null,
        audit: [auditEntry(groupResource, 'delete', before, null)],
        items: [
          ...keys.map((key) => ({ kind: 'key', op: 'delete', id: key.id }) as const),
          { kind: 'group', op: 'delete', id },
        ],
        events: keys.filter(({ revoked }) => !revoked).map((key) => goneEvent('key.revoked', 'api_keys', key.id)),
      }
    })
  }

  /** Those of the ids that groups have; they stay until the transaction ends. */
  async keep(tx: Transaction, ids: readonly string[]): Promise<Set<string>> {
    return this.groups.keep(tx, ids)
  }

  private async slugFor(tx: Transaction, name: string): Promise<string> {
    const slug = slugOf(name)
    return freeSlug(slug, await this.groups.lockSlugsLike(tx, slug))
  }
}
