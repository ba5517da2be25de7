import { hash, randomBytes } from 'node:crypto'
import { keyPrefix } from '@apigate/core'
import { newId } from '@apigate/platform'
import { InputError, parseTimestamp } from '../../jsonapi/index.ts'
import type { ApiKeyInput } from './api-keys.input.ts'
import type { ApiKeyRow } from './api-keys.repository.ts'

/** A row, and the key itself, which is nowhere else: only its SHA-256 is stored. */
export interface MadeKey {
  row: ApiKeyRow
  /** Shown once. */
  key: string
}

export function newKey(): string {
  return `ak_${randomBytes(32).toString('hex')}`
}

export function digestOf(key: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hash('sha256', key, 'buffer'))
}

export function timeOf(text: string | null | undefined): Date | null {
  return text ? parseTimestamp(text) : null
}

/** The row of a key that is new now. */
export function newRow(id: string | undefined, key: string, input: ApiKeyInput): ApiKeyRow {
  const now = new Date()
  return {
    ...{ id: id ?? newId('key'), name: input.name ?? '', prefix: keyPrefix(key), digest: digestOf(key) },
    ...{ userId: input.user_id ?? null, groupId: input.group_id ?? null, scopes: input.scopes ?? [] },
    expiresAt: timeOf(input.expires_at),
    ...{ lastUsed: null, revokedAt: null, rotatedFromId: null, expiryNotedAt: null, createdAt: now, updatedAt: now },
  }
}

/** A key belongs to a user, or to a group, or has scopes and belongs to nobody. */
export function ownerProblem({ user_id: userId, group_id: groupId, scopes }: ApiKeyInput): InputError | null {
  if (userId && groupId) {
    const problem = { code: 'validation_error', detail: 'a key belongs to a user or to a group, not to both' } as const
    return new InputError([
      { ...problem, field: 'user_id' },
      { ...problem, field: 'group_id' },
    ])
  }
  if (userId || groupId || scopes?.length) return null
  return InputError.of('validation_error', 'user_id', 'a key needs a user or a group, or scopes')
}
