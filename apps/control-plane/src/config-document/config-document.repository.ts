import { Injectable } from '@nestjs/common'
import type { ResourceDefinition, Row } from '../jsonapi/index.ts'
import { Prisma } from '../persistence/generated/client.ts'
import { Database, readAll, type Transaction } from '../persistence/index.ts'

@Injectable()
export class ConfigDocumentRepository {
  constructor(private readonly database: Database) {}

  /** All of these resources as they are at one moment, by type, in order of their ids. */
  async readTogether(definitions: readonly ResourceDefinition[]): Promise<Map<string, Row[]>> {
    return this.database.prisma.$transaction(
      async (tx) => {
        const rows = new Map<string, Row[]>()
        for (const definition of definitions) rows.set(definition.type, await readAll(tx, definition))
        return rows
      },
      { isolationLevel: 'RepeatableRead' },
    )
  }

  /** The same, kept from changing until the transaction ends. */
  async lock(tx: Transaction, definition: ResourceDefinition): Promise<Row[]> {
    await tx.$executeRaw`LOCK TABLE ${Prisma.raw(`"${definition.type}"`)} IN SHARE ROW EXCLUSIVE MODE`
    return readAll(tx, definition)
  }
}
