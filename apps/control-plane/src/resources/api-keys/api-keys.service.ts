import { ApiError } from '@apigate/errors'
import { mapInTurns } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import { auditEntry, AuditedWrites } from '../../audit/index.ts'
import type { Actor } from '../../auth/index.ts'
import { keyItem } from '../../config-publisher/index.ts'
import {
  EntryError,
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
import { resourceEvent } from '../../webhook-outbox/index.ts'
import { GroupsService } from '../groups/index.ts'
import { UsersService } from '../users/index.ts'
import type { ApiKeyChanges, ApiKeyInput, RotationInput } from './api-keys.input.ts'
import { ApiKeysRepository, type ApiKeyRow } from './api-keys.repository.ts'
import { apiKeyResource } from './api-keys.resource.ts'
import { digestOf, newKey, newRow, ownerProblem, timeOf, type MadeKey } from './api-keys.row.ts'

/** A key that was made, and the revision of it. */
export interface WrittenKey {
  written: Written<ApiKeyRow>
  key: string
}

/** Shown with a key. */
export const keyNote = 'Save this key securely. It will not be shown again.'

@Injectable()
export class ApiKeysService {
  constructor(
    private readonly keys: ApiKeysRepository,
    private readonly users: UsersService,
    private readonly groups: GroupsService,
    private readonly writes: AuditedWrites,
  ) {}

  async list(query: ListQuery): Promise<Page<ApiKeyRow>> {
    return this.keys.list(query)
  }

  async get(id: string, include: IncludeTree | null): Promise<ApiKeyRow> {
    return existing(apiKeyResource, id, await this.keys.find(id, include))
  }

  /** @throws InputError about `api_key_id` */
  async mustExist(id: string): Promise<void> {
    if ((await this.keys.find(id)) !== null) return
    throw InputError.of('not_found', 'api_key_id', `there is no key "${id}"`)
  }

  async create(creation: Creation<ApiKeyInput>, actor: Actor): Promise<WrittenKey> {
    const { row: made, revision } = await this.createMany([creation], actor)
    const [{ row, key }] = made as [MadeKey]
    return { written: { row, revision }, key }
  }

  /**
   * The same for thousands at once, all or none, in order.
   *
   * @throws EntryError naming the first that cannot be made.
   */
  async createMany(creations: readonly Creation<ApiKeyInput>[], actor: Actor): Promise<Written<MadeKey[]>> {
    creations.forEach(({ input }, index) => {
      const problem = ownerProblem(input)
      if (problem) throw new EntryError(index, problem)
    })
    return this.writes.run(actor, async (tx) => {
      await this.mustHaveOwners(tx, creations)
      await this.mustBeFree(tx, creations)
      const made = await mapInTurns(creations, perTurn, ({ id, input }) => {
        const key = newKey()
        return { row: newRow(id, key, input), key }
      })
      return this.inserted(tx, made)
    })
  }

  /** Makes this very key unless it is there already. */
  async createKnown(key: string, input: ApiKeyInput, actor: Actor): Promise<void> {
    await this.writes.run(actor, async (tx) => {
      const known = await this.keys.lockDigest(tx, digestOf(key))
      return known
        ? { row: [], audit: [], items: [] }
        : this.inserted(tx, [{ row: newRow(undefined, key, input), key }])
    })
  }

  async update(id: string, update: Update<ApiKeyChanges>, actor: Actor): Promise<Written<ApiKeyRow>> {
    const { name, expires_at: end } = update.input
    return this.writes.run(actor, async (tx) => {
      const before = existing(apiKeyResource, id, await this.keys.lock(tx, id))
      refuseChanges(apiKeyResource, before, update)
      const expiresAt = end === undefined ? before.expiresAt : timeOf(end)
      const moved = expiresAt?.getTime() !== before.expiresAt?.getTime()
      if (moved && expiresAt !== null && expiresAt <= new Date()) {
        throw InputError.of('validation_error', 'expires_at', 'expires_at must lie in the future')
      }
      const row = await this.keys.update(tx, before, {
        ...(name !== undefined && { name }),
        ...(moved && { expiresAt, expiryNotedAt: null }),
      })
      return { row, audit: [auditEntry(apiKeyResource, 'update', before, row)], items: [keyItem(row)] }
    })
  }

  /**
   * Makes a successor: another key with the same owner, scopes, name and end. The old one ends now or, with an overlap, in so
   * many seconds, but never later than it would have.
   *
   * @throws ApiError 409 for a key that does not work any more, or has a successor.
   */
  async rotate(id: string, { id: successorId, input }: Creation<RotationInput>, actor: Actor): Promise<WrittenKey> {
    const { overlap_seconds: overlapSeconds = 0 } = input
    const key = newKey()
    const written = await this.writes.run(actor, async (tx) => {
      const { before, now } = await this.lockForRotation(tx, id)
      const until = new Date(now.getTime() + overlapSeconds * 1_000)
      const sooner = before.expiresAt !== null && before.expiresAt < until ? before.expiresAt : until
      const old = await this.keys.update(tx, before, overlapSeconds > 0 ? { expiresAt: sooner } : { revokedAt: now })
      const { name, userId, groupId, scopes, expiresAt } = before
      const like = { name, userId, groupId, scopes, expiresAt, rotatedFromId: id }
      const row = { ...newRow(successorId, key, {}), ...like }
      const made = await this.inserted(tx, [{ row, key }])
      return {
        row,
        audit: [auditEntry(apiKeyResource, 'rotate', before, old), ...made.audit],
        items: [keyItem(old), ...made.items],
        events: [...(old.revokedAt ? [resourceEvent('key.revoked', apiKeyResource, before, old)] : []), ...made.events],
      }
    })
    return { written, key }
  }

  /** Ends the key now; a key that was revoked before keeps the time of it. */
  async revoke(id: string, actor: Actor): Promise<Written<ApiKeyRow>> {
    return this.writes.run(actor, async (tx) => {
      const before = existing(apiKeyResource, id, await this.keys.lock(tx, id))
      if (before.revokedAt !== null) return { row: before, audit: [], items: [] }
      const row = await this.keys.update(tx, before, { revokedAt: new Date() })
      return {
        row,
        audit: [auditEntry(apiKeyResource, 'revoke', before, row)],
        items: [keyItem(row)],
        events: [resourceEvent('key.revoked', apiKeyResource, before, row)],
      }
    })
  }

  async delete(id: string, actor: Actor): Promise<Written<null>> {
    return this.writes.run(actor, async (tx) => {
      const before = existing(apiKeyResource, id, await this.keys.lock(tx, id))
      await this.keys.delete(tx, id)
      return {
        row: null,
        audit: [auditEntry(apiKeyResource, 'delete', before, null)],
        items: [{ kind: 'key', op: 'delete', id }],
        // It stops working, unless it had before.
        events: before.revokedAt === null ? [resourceEvent('key.revoked', apiKeyResource, before, null)] : [],
      }
    })
  }

  /** The owners stay until the transaction ends. */
  private async mustHaveOwners(tx: Transaction, creations: readonly Creation<ApiKeyInput>[]): Promise<void> {
    const users = await this.users.keep(
      tx,
      creations.flatMap(({ input }) => input.user_id ?? []),
    )
    const groups = await this.groups.keep(
      tx,
      creations.flatMap(({ input }) => input.group_id ?? []),
    )
    creations.forEach(({ input: { user_id: userId, group_id: groupId } }, index) => {
      const missing = (field: string, detail: string) =>
        new EntryError(index, InputError.of('not_found', field, detail))
      if (userId && !users.has(userId)) throw missing('user_id', `there is no user "${userId}"`)
      if (groupId && !groups.has(groupId)) throw missing('group_id', `there is no group "${groupId}"`)
    })
  }

  /** Locks the owner before the key, as who deletes the owner does it. */
  private async lockForRotation(tx: Transaction, id: string): Promise<{ before: ApiKeyRow; now: Date }> {
    const { userId, groupId } = existing(apiKeyResource, id, await this.keys.read(tx, id))
    if (userId) await this.users.keep(tx, [userId])
    if (groupId) await this.groups.keep(tx, [groupId])
    const before = existing(apiKeyResource, id, await this.keys.lock(tx, id))
    const now = new Date()
    if (before.revokedAt !== null) throw ApiError.of('conflict', 'the key was revoked')
    if (before.expiresAt !== null && before.expiresAt <= now) throw ApiError.of('conflict', 'the key has expired')
    if (await this.keys.hasSuccessor(tx, id)) throw ApiError.of('conflict', 'the key was rotated already')
    return { before, now }
  }

  /** A violated index would not say which of many ids is taken. */
  private async mustBeFree(tx: Transaction, creations: readonly Creation<ApiKeyInput>[]): Promise<void> {
    const taken = new Set(await this.keys.idsAmong(tx, [...new Set(creations.flatMap(({ id }) => id ?? []))]))
    creations.forEach(({ id }, index) => {
      if (id === undefined) return
      if (taken.has(id)) throw new EntryError(index, InputError.of('conflict', 'id', 'this id is taken'))
      taken.add(id)
    })
  }

  private async inserted(tx: Transaction, made: MadeKey[]) {
    await this.keys.insert(
      tx,
      made.map(({ row }) => row),
    )
    const effects = await mapInTurns(made, perTurn, ({ row }) => ({
      audit: auditEntry(apiKeyResource, 'create', null, row),
      item: keyItem(row),
      event: resourceEvent('key.created', apiKeyResource, null, row),
    }))
    return {
      row: made,
      audit: effects.map(({ audit }) => audit),
      items: effects.map(({ item }) => item),
      events: effects.map(({ event }) => event),
    }
  }
}

/** A key is some ten microseconds of random numbers and digests. */
const perTurn = 200
