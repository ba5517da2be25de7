import { hash, randomBytes } from 'node:crypto'
import { keyPrefix } from '@apigate/core'
import { mapInTurns, newId } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import { auditEntry, AuditedWrites } from '../../audit/index.ts'
import type { Actor } from '../../auth/index.ts'
import { keyItem } from '../../config-publisher/index.ts'
import {
  EntryError,
  existing,
  InputError,
  parseTimestamp,
  type Creation,
  type IncludeTree,
  type ListQuery,
  type Page,
  type Written,
} from '../../jsonapi/index.ts'
import type { Transaction } from '../../persistence/index.ts'
import { resourceEvent } from '../../webhook-outbox/index.ts'
import type { ApiKeyInput } from './api-keys.input.ts'
import { ApiKeysRepository, type ApiKeyRow } from './api-keys.repository.ts'
import { apiKeyResource } from './api-keys.resource.ts'

/** Shown with a key. */
export const keyNote = 'Save this key securely. It will not be shown again.'

@Injectable()
export class ApiKeysService {
  constructor(
    private readonly keys: ApiKeysRepository,
    private readonly writes: AuditedWrites,
  ) {}

  async list(query: ListQuery): Promise<Page<ApiKeyRow>> {
    return this.keys.list(query)
  }

  async get(id: string, include: IncludeTree | null): Promise<ApiKeyRow> {
    return existing(apiKeyResource, id, await this.keys.find(id, include))
  }

  /** @returns the row, and the key itself, which is nowhere else: only its SHA-256 is stored. */
  async create(creation: Creation<ApiKeyInput>, actor: Actor): Promise<{ written: Written<ApiKeyRow>; key: string }> {
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
      if (input.user_id || input.scopes?.length) return
      throw new EntryError(index, InputError.of('validation_error', 'user_id', 'a key needs a user, or scopes'))
    })
    return this.writes.run(actor, async (tx) => {
      await this.mustHaveUsers(tx, creations)
      await this.mustBeFree(tx, creations)
      const made = await mapInTurns(creations, perTurn, ({ id, input }) => {
        const key = `ak_${randomBytes(32).toString('hex')}`
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

  /** Ends the key now; a key that was revoked before keeps the time of it. */
  async revoke(id: string, actor: Actor): Promise<Written<ApiKeyRow>> {
    return this.writes.run(actor, async (tx) => {
      const before = existing(apiKeyResource, id, await this.keys.lock(tx, id))
      if (before.revokedAt !== null) return { row: before, audit: [], items: [] }
      const row = await this.keys.update(tx, id, { revokedAt: new Date() })
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

  private async mustHaveUsers(tx: Transaction, creations: readonly Creation<ApiKeyInput>[]): Promise<void> {
    const named = new Set(creations.flatMap(({ input }) => input.user_id ?? []))
    const known = new Set(await this.keys.usersAmong(tx, [...named]))
    creations.forEach(({ input: { user_id: id } }, index) => {
      if (!id || known.has(id)) return
      throw new EntryError(index, InputError.of('not_found', 'user_id', `there is no user "${id}"`))
    })
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

export interface MadeKey {
  row: ApiKeyRow
  /** Shown once. */
  key: string
}

function newRow(id: string | undefined, key: string, input: ApiKeyInput): ApiKeyRow {
  const now = new Date()
  return {
    ...{ id: id ?? newId('key'), name: input.name ?? '', prefix: keyPrefix(key), digest: digestOf(key) },
    ...{ userId: input.user_id ?? null, groupId: null, scopes: input.scopes ?? [] },
    expiresAt: input.expires_at ? parseTimestamp(input.expires_at) : null,
    ...{ lastUsed: null, revokedAt: null, rotatedFromId: null, expiryNotedAt: null, createdAt: now, updatedAt: now },
  }
}

function digestOf(key: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hash('sha256', key, 'buffer'))
}
