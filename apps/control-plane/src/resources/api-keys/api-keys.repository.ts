import { Injectable } from '@nestjs/common'
import type { IncludeTree, ListQuery, Page } from '../../jsonapi/index.ts'
import type { ApiKey } from '../../persistence/generated/client.ts'
import { Database, insertRows, readPage, readRow, runPrepared, type Transaction } from '../../persistence/index.ts'
import { apiKeyResource } from './api-keys.resource.ts'

export type ApiKeyRow = ApiKey
/** What changes of a key, ever. */
type ApiKeyColumns = Partial<Pick<ApiKeyRow, 'name' | 'expiresAt' | 'expiryNotedAt' | 'revokedAt'>>

const lockStatement = {
  name: 'lock-api-key',
  text: `SELECT id, name, prefix, digest, user_id AS "userId", group_id AS "groupId", scopes, expires_at AS "expiresAt",
      last_used AS "lastUsed", revoked_at AS "revokedAt", expiry_noted_at AS "expiryNotedAt",
      rotated_from_id AS "rotatedFromId", created_at AS "createdAt", updated_at AS "updatedAt"
    FROM api_keys WHERE id = $1 FOR UPDATE`,
}

const updateStatement = {
  name: 'update-api-key',
  text: `UPDATE api_keys SET name = $2, expires_at = $3, expiry_noted_at = $4, revoked_at = $5, updated_at = $6
    WHERE id = $1`,
}

@Injectable()
export class ApiKeysRepository {
  constructor(private readonly database: Database) {}

  async list(query: ListQuery): Promise<Page<ApiKeyRow>> {
    return readPage(this.database.prisma, apiKeyResource, query)
  }

  async find(id: string, include: IncludeTree | null = null): Promise<ApiKeyRow | null> {
    return readRow(this.database.prisma, apiKeyResource, id, include)
  }

  /** The row, kept from changing until the transaction ends. */
  async lock(tx: Transaction, id: string): Promise<ApiKeyRow | null> {
    const [row] = await runPrepared<ApiKeyRow>(tx, lockStatement, [id])
    return row ?? null
  }

  async insert(tx: Transaction, rows: readonly ApiKeyRow[]): Promise<void> {
    await insertRows(tx, 'api_keys', rows)
  }

  /** Of a row that is locked. */
  async update(tx: Transaction, before: ApiKeyRow, changes: ApiKeyColumns): Promise<ApiKeyRow> {
    const row = { ...before, ...changes, updatedAt: new Date() }
    const { id, name, expiresAt, expiryNotedAt, revokedAt, updatedAt } = row
    await runPrepared(tx, updateStatement, [id, name, expiresAt, expiryNotedAt, revokedAt, updatedAt])
    return row
  }

  async delete(tx: Transaction, id: string): Promise<void> {
    await tx.apiKey.delete({ where: { id } })
  }

  /** Those of the ids that keys have. */
  async idsAmong(tx: Transaction, ids: string[]): Promise<string[]> {
    if (ids.length === 0) return []
    const found = await tx.$queryRaw<{ id: string }[]>`SELECT id FROM api_keys WHERE id = ANY (${ids})`
    return found.map(({ id }) => id)
  }

  async read(tx: Transaction, id: string): Promise<ApiKeyRow | null> {
    return tx.apiKey.findUnique({ where: { id } })
  }

  /** Whether the key was rotated: then another one names it. */
  async hasSuccessor(tx: Transaction, id: string): Promise<boolean> {
    return (await tx.apiKey.findUnique({ where: { rotatedFromId: id }, select: { id: true } })) !== null
  }

  /** Whether a key with this digest is there; a second caller waits until the first one's transaction has ended. */
  async lockDigest(tx: Transaction, digest: Uint8Array<ArrayBuffer>): Promise<boolean> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('apigate.api_keys.digest'))`
    return (await tx.apiKey.findUnique({ where: { digest }, select: { id: true } })) !== null
  }
}
