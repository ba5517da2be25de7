import { hash, randomBytes } from 'node:crypto'
import { keyPrefix } from '@apigate/core'
import { newId } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import { auditEntry, AuditedWrites } from '../../audit/index.ts'
import type { Actor } from '../../auth/index.ts'
import { keyItem } from '../../config-publisher/index.ts'
import {
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
  async create(
    { id, input }: Creation<ApiKeyInput>,
    actor: Actor,
  ): Promise<{ written: Written<ApiKeyRow>; key: string }> {
    if (!input.user_id && !input.scopes?.length) {
      throw InputError.of('validation_error', 'user_id', 'a key needs a user, or scopes')
    }
    const key = `ak_${randomBytes(32).toString('hex')}`
    const written = await this.writes.run(actor, async (tx) => {
      if (input.user_id && !(await this.keys.userExists(tx, input.user_id))) {
        throw InputError.of('not_found', 'user_id', `there is no user "${input.user_id}"`)
      }
      return this.insert(tx, id, key, input)
    })
    return { written, key }
  }

  /** Makes this very key unless it is there already. */
  async createKnown(key: string, input: ApiKeyInput, actor: Actor): Promise<void> {
    await this.writes.run(actor, async (tx) => {
      const known = await this.keys.lockDigest(tx, digestOf(key))
      return known ? { row: null, audit: [], items: [] } : this.insert(tx, undefined, key, input)
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

  private async insert(tx: Transaction, id: string | undefined, key: string, input: ApiKeyInput) {
    const row = await this.keys.insert(tx, {
      ...{ id: id ?? newId('key'), name: input.name, prefix: keyPrefix(key), digest: digestOf(key) },
      ...{ userId: input.user_id, scopes: input.scopes },
      expiresAt: input.expires_at ? parseTimestamp(input.expires_at) : null,
    })
    return {
      row,
      audit: [auditEntry(apiKeyResource, 'create', null, row)],
      items: [keyItem(row)],
      events: [resourceEvent('key.created', apiKeyResource, null, row)],
    }
  }
}

function digestOf(key: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hash('sha256', key, 'buffer'))
}
