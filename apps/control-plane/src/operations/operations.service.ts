import { ApiError } from '@apigate/errors'
import { mapInTurns } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import { ModuleRef } from '@nestjs/core'
import { AuditedWrites } from '../audit/index.ts'
import type { Actor } from '../auth/index.ts'
import {
  EntryError,
  identifier,
  resourceObject,
  toApiError,
  type OperationResult,
  type Written,
} from '../jsonapi/index.ts'
import { operables, type Created } from './operable.ts'
import { located, readOperations, type Deed, type Operation } from './operation.reader.ts'

const perTurn = 100

/** Carries out operations in order, in one transaction with one configuration revision: all of them or none. */
@Injectable()
export class OperationsService {
  constructor(
    private readonly writes: AuditedWrites,
    private readonly modules: ModuleRef,
  ) {}

  /** @throws ApiError about all operations that are wrong by themselves, or about the first that cannot be done. */
  async run(document: unknown, actor: Actor): Promise<Written<OperationResult[]>> {
    const operations = await readOperations(document, operables)
    return this.writes.together(actor, async () => {
      const results: OperationResult[] = []
      for (const batch of batches(operations)) results.push(...(await this.runBatch(batch, results.length, actor)))
      return results
    })
  }

  private async runBatch(batch: readonly Operation[], start: number, actor: Actor): Promise<OperationResult[]> {
    try {
      return await this.deed(
        batch.map(({ deed }) => deed),
        actor,
      )
    } catch (error) {
      const offset = error instanceof EntryError ? error.index : 0
      const { sent, body, deed } = batch[offset] as Operation
      const cause = error instanceof EntryError ? error.cause : error
      const method = deed.kind === 'delete' ? 'DELETE' : 'POST'
      // Left as it is: it may be tried again, or must be logged.
      if (toApiError(cause, { method, body }).status >= 500) throw cause
      throw located(cause, start + offset, sent, body, method)
    }
  }

  /** One deed, or several creates of one type. */
  private async deed(deeds: readonly Deed[], actor: Actor): Promise<OperationResult[]> {
    const [deed] = deeds as [Deed]
    const { definition, Service, toMany = {} } = deed.operable
    const service = this.modules.get(Service, { strict: false })
    switch (deed.kind) {
      case 'create': {
        const creations = deeds.flatMap((each) => (each.kind === 'create' ? each.creation : []))
        const created = await deed.operable.create(service, creations, actor)
        return mapInTurns(created, perTurn, ({ row, meta }: Created) => ({
          data: { ...resourceObject(definition, row), ...(meta && { meta }) },
        }))
      }
      case 'update': {
        if (!service.update) throw ApiError.of('forbidden', `${definition.type} are not updated`)
        const { row } = await service.update(deed.id, deed.update, actor)
        return [{ data: deed.relationship ? identifier(deed.relationship, row) : resourceObject(definition, row) }]
      }
      case 'delete':
        if (!service.delete) throw ApiError.of('forbidden', `${definition.type} are not deleted`)
        await service.delete(deed.id, actor)
        return [{}]
      case 'add':
      case 'remove': {
        const Writer = toMany[deed.relationship]
        if (!Writer) throw new Error(`nothing writes ${definition.type}.${deed.relationship}`)
        await this.modules.get(Writer, { strict: false })[deed.kind](deed.id, deed.ids, actor)
        return [{}]
      }
    }
  }
}

/** Consecutive creates of one type together, everything else alone. */
function batches(operations: readonly Operation[]): Operation[][] {
  const found: Operation[][] = []
  for (const operation of operations) {
    const last = found.at(-1)
    const before = last?.[0]?.deed
    const { deed } = operation
    if (before?.kind === 'create' && deed.kind === 'create' && before.operable === deed.operable) last?.push(operation)
    else found.push([operation])
  }
  return found
}
