import { ApiError } from '@apigate/errors'
import { newId } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import { auditEntry, AuditedWrites, type AuditEntry } from '../../audit/index.ts'
import type { Actor } from '../../auth/index.ts'
import {
  existing,
  InputError,
  refuseChanges,
  type Creation,
  type IncludeTree,
  type ListQuery,
  type Page,
  type Update,
  type Written,
} from '../../jsonapi/index.ts'
import type { Transaction } from '../../persistence/index.ts'
import { UsersService } from '../users/index.ts'
import type { MemberChanges, MemberInput } from './groups.input.ts'
import { GroupsRepository, type GroupRow } from './groups.repository.ts'
import { groupResource, memberResource } from './groups.resource.ts'
import { MembersRepository, type MemberRow } from './members.repository.ts'

/**
 * Locks are taken in this order: group, user, members. Who deletes a user has locked the user before the members go, and
 * takes no lock of a group; so nobody waits in a circle.
 */
@Injectable()
export class MembersService {
  constructor(
    private readonly members: MembersRepository,
    private readonly groups: GroupsRepository,
    private readonly users: UsersService,
    private readonly writes: AuditedWrites,
  ) {}

  async list(query: ListQuery): Promise<Page<MemberRow>> {
    return this.members.list(query)
  }

  async get(id: string, include: IncludeTree | null): Promise<MemberRow> {
    return existing(memberResource, id, await this.members.find(id, include))
  }

  async create({ id, input }: Creation<MemberInput>, actor: Actor): Promise<Written<MemberRow>> {
    const { group_id: groupId, user_id: userId = '', role = 'member' } = input
    if (groupId === undefined) throw InputError.of('validation_error', 'group_id', 'group_id is required')
    return this.writes.run(actor, async (tx) => {
      const group = await this.groups.lock(tx, groupId)
      if (group === null) throw InputError.of('not_found', 'group_id', `there is no group "${groupId}"`)
      await this.users.mustExist(tx, userId, 'user_id')
      if (await this.members.readOf(tx, groupId, userId)) {
        throw InputError.of('conflict', 'user_id', `"${userId}" is a member of the group already`)
      }
      const place = { id: id ?? newId('gmb'), groupId, userId }
      if (role === 'owner') return this.handOver(tx, group, place)
      const row = await this.members.insert(tx, { ...place, role })
      return { row, audit: [auditEntry(memberResource, 'create', null, row)], items: [] }
    })
  }

  /** Making a member the owner makes the owner an admin of the group. */
  async update(id: string, update: Update<MemberChanges>, actor: Actor): Promise<Written<MemberRow>> {
    const { role } = update.input
    return this.writes.run(actor, async (tx) => {
      const { group, before } = await this.lock(tx, id)
      refuseChanges(memberResource, before, update)
      if (role === undefined || role === before.role) return { row: before, audit: [], items: [] }
      if (before.role === 'owner') {
        throw InputError.of('conflict', 'role', 'the owner is replaced by making another member the owner')
      }
      if (role === 'owner') return this.handOver(tx, group, before)
      const row = await this.members.setRole(tx, id, role)
      return { row, audit: [auditEntry(memberResource, 'update', before, row)], items: [] }
    })
  }

  async delete(id: string, actor: Actor): Promise<Written<null>> {
    return this.writes.run(actor, async (tx) => {
      const { before } = await this.lock(tx, id)
      return this.removeAll(tx, [before])
    })
  }

  /** A member belongs to one group for ever: nothing is added but what is in the group already. */
  async add(groupId: string, ids: readonly string[], actor: Actor): Promise<Written<null>> {
    return this.writes.run(actor, async (tx) => {
      existing(groupResource, groupId, await this.groups.lock(tx, groupId))
      const found = new Map((await this.members.readAll(tx, ids)).map((member) => [member.id, member]))
      for (const id of ids) {
        const member = found.get(id)
        if (!member) throw InputError.of('not_found', 'id', `there is no member "${id}"`)
        if (member.groupId !== groupId) throw InputError.of('conflict', 'id', `"${id}" is a member of another group`)
      }
      return { row: null, audit: [], items: [] }
    })
  }

  async remove(groupId: string, ids: readonly string[], actor: Actor): Promise<Written<null>> {
    return this.writes.run(actor, async (tx) => {
      existing(groupResource, groupId, await this.groups.lock(tx, groupId))
      const members = (await this.members.readAll(tx, ids)).filter((member) => member.groupId === groupId)
      return this.removeAll(tx, members)
    })
  }

  /** The first member of a new group. */
  async insertOwner(tx: Transaction, { id: groupId, ownerId: userId }: GroupRow): Promise<AuditEntry> {
    const row = await this.members.insert(tx, { id: newId('gmb'), groupId, userId, role: 'owner' })
    return auditEntry(memberResource, 'create', null, row)
  }

  /** The group's `owner` and the member with that role are one fact, written here. `heir` need not be a member yet. */
  async makeOwner(
    tx: Transaction,
    group: GroupRow,
    heir: { id?: string; userId: string },
  ): Promise<{ owner: MemberRow; group: GroupRow; audit: AuditEntry[] }> {
    await this.users.mustExist(tx, heir.userId, 'owner_id')
    const audit: AuditEntry[] = []
    const former = await this.members.readOf(tx, group.id, group.ownerId)
    if (former) {
      const admin = await this.members.setRole(tx, former.id, 'admin')
      audit.push(auditEntry(memberResource, 'update', former, admin))
    }
    const member = await this.members.readOf(tx, group.id, heir.userId)
    const owner = member
      ? await this.members.setRole(tx, member.id, 'owner')
      : await this.members.insert(tx, { id: newId('gmb'), ...heir, groupId: group.id, role: 'owner' })
    audit.push(auditEntry(memberResource, member ? 'update' : 'create', member, owner))
    return { owner, group: await this.groups.update(tx, group.id, { ownerId: heir.userId }), audit }
  }

  private async handOver(tx: Transaction, before: GroupRow, heir: { id: string; userId: string }) {
    const { owner, group, audit } = await this.makeOwner(tx, before, heir)
    return { row: owner, audit: [...audit, auditEntry(groupResource, 'update', before, group)], items: [] }
  }

  private async removeAll(tx: Transaction, members: readonly MemberRow[]) {
    if (members.some(({ role }) => role === 'owner')) {
      throw ApiError.of('conflict', 'the owner cannot be removed: make another member the owner first')
    }
    await this.members.delete(
      tx,
      members.map(({ id }) => id),
    )
    return { row: null, audit: members.map((member) => auditEntry(memberResource, 'delete', member, null)), items: [] }
  }

  private async lock(tx: Transaction, id: string): Promise<{ group: GroupRow; before: MemberRow }> {
    const member = existing(memberResource, id, await this.members.read(tx, id))
    const group = await this.groups.lock(tx, member.groupId)
    // Gone: then the member is gone, too.
    await this.users.mustExist(tx, member.userId, 'user_id')
    const before = existing(memberResource, id, await this.members.lock(tx, id))
    return { group: existing(groupResource, member.groupId, group), before }
  }
}
