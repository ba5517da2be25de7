import { Injectable } from '@nestjs/common'
import type { IncludeTree, ListQuery, Page } from '../../jsonapi/index.ts'
import type { ApiKey, Prisma } from '../../persistence/generated/client.ts'
import { Database, insertRows, readPage, readRow, type Transaction } from '../../persistence/index.ts'
import { apiKeyResource } from './api-keys.resource.ts'

export type ApiKeyRow = ApiKey

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
    await tx.$queryRaw`SELECT 1 FROM api_keys WHERE id = ${id} FOR UPDATE`
    return this.read(tx, id)
  }

  async insert(tx: Transaction, rows: readonly ApiKeyRow[]): Promise<void> {
    await insertRows(tx, 'api_keys', rows)
  }

  async update(tx: Transaction, id: string, data: Prisma.ApiKeyUncheckedUpdateInput): Promise<ApiKeyRow> {
    return tx.apiKey.update({ where: { id }, data })
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
