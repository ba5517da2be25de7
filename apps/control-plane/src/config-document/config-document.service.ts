import { ApiError, type ErrorObject } from '@apigate/errors'
import { Injectable } from '@nestjs/common'
import { ModuleRef } from '@nestjs/core'
import { AuditedWrites, maskedSecrets } from '../audit/index.ts'
import type { Actor } from '../auth/index.ts'
import {
  EntryError,
  readCreation,
  readUpdate,
  resolvingPart,
  toApiError,
  type Meta,
  type Row,
  type Written,
} from '../jsonapi/index.ts'
import type { Operable, ResourceWriter } from '../operations/index.ts'
import {
  differenceOf,
  documentVersion,
  entryOf,
  readConfigDocument,
  sections,
  type ConfigDocument,
  type Entry,
} from './config-document.ts'
import { ConfigDocumentRepository } from './config-document.repository.ts'

/** One resource that a document changes: of an update the attributes that differ. */
export interface Change {
  action: 'create' | 'update' | 'delete'
  type: string
  id: string
  before: Record<string, unknown> | null
  after: Record<string, unknown> | null
  /** What is shown of a new resource this once. */
  meta?: Meta
}

/** Ends a transaction whose outcome is only to be looked at. */
class DryRun extends Error {
  constructor(readonly changes: Change[]) {
    super('a dry run is not committed')
  }
}

@Injectable()
export class ConfigDocumentService {
  constructor(
    private readonly repository: ConfigDocumentRepository,
    private readonly writes: AuditedWrites,
    private readonly modules: ModuleRef,
  ) {}

  /** The document of what there is. */
  async export(): Promise<Record<string, unknown>> {
    const rows = await this.repository.readTogether(sections.map(({ definition }) => definition))
    const entries = sections.map((section) => {
      const { type } = section.definition
      return [type, (rows.get(type) ?? []).map((row) => entryOf(section, row))]
    })
    return { version: documentVersion, ...Object.fromEntries(entries) }
  }

  /**
   * Makes the sections of a document what it says, by the services that the API's other writes go through: one transaction, one
   * revision, all or nothing. A dry run does it all and then takes it back, so that it finds what a write would find.
   *
   * @throws ApiError with pointers into the document.
   */
  async apply(body: unknown, isDryRun: boolean, actor: Actor): Promise<Written<Change[]>> {
    const document = readConfigDocument(body)
    try {
      return await this.writes.together(actor, async () => {
        const changes = await this.applyAll(document, body, actor)
        if (isDryRun) throw new DryRun(changes)
        return changes
      })
    } catch (error) {
      if (error instanceof DryRun) {
        // A secret that was shown here would be no webhook's: the write makes another one.
        return { row: error.changes.map(withoutMeta), revision: 0n }
      }
      throw error
    }
  }

  private async applyAll(document: ConfigDocument, body: unknown, actor: Actor): Promise<Change[]> {
    const changes: Change[] = []
    const gone: { section: Operable; row: Row }[] = []
    for (const section of sections) {
      const entries = document.get(section)
      if (entries === undefined) continue
      const rows = await this.lock(section, actor)
      const current = new Map(rows.map((row) => [row.id, row]))
      for (const [index, entry] of inOrder(entries)) {
        const change = await this.put(section, entry, current.get(entry.id), actor).catch((error: unknown) => {
          throw located(error, `/${section.definition.type}/${index}`, entry, body)
        })
        if (change) changes.push(change)
      }
      const wanted = new Set(entries.map(({ id }) => id))
      gone.unshift(...rows.filter(({ id }) => !wanted.has(id)).map((row) => ({ section, row })))
    }
    for (const { section, row } of gone) {
      const { type } = section.definition
      await this.serviceOf(section)
        .delete?.(row.id, actor)
        .catch((error: unknown) => {
          throw named(error, `${row.id} is not in the document, and cannot be deleted`, `/${type}`)
        })
      changes.push({ action: 'delete', type, id: row.id, before: entryOf(section, row), after: null })
    }
    return changes
  }

  private async put(section: Operable, entry: Entry, row: Row | undefined, actor: Actor): Promise<Change | null> {
    const { definition, Input } = section
    const { type } = definition
    if (row === undefined) {
      const creation = readCreation(definition, Input, entry)
      const [created] = await section.create(this.serviceOf(section), [creation], actor)
      if (created === undefined) throw new Error(`${entry.id} was not made`)
      const { row: made, meta } = created
      return { action: 'create', type, id: made.id, before: null, after: entryOf(section, made), ...(meta && { meta }) }
    }
    const difference = differenceOf(entry, entryOf(section, row))
    if (difference === null) return null
    // All of it is read, so that all of it is checked; what is as it was is not written.
    readUpdate(definition, Input, entry, row.id)
    const update = readUpdate(definition, Input, difference, row.id)
    const written = await this.serviceOf(section).update?.(row.id, update, actor)
    const names = Object.keys(difference)
    const shown = (from: Row) => {
      const values: Record<string, unknown> = { ...entryOf(section, from), ...maskedSecrets(definition, from) }
      return Object.fromEntries(names.map((name) => [name, values[name] ?? null]))
    }
    return { action: 'update', type, id: row.id, before: shown(row), after: shown(written?.row ?? row) }
  }

  private async lock({ definition }: Operable, actor: Actor): Promise<Row[]> {
    const { row } = await this.writes.run(actor, async (tx) => ({
      row: await this.repository.lock(tx, definition),
      audit: [],
      items: [],
    }))
    return row
  }

  private serviceOf({ Service }: Operable): ResourceWriter {
    return this.modules.get(Service, { strict: false })
  }
}

function withoutMeta(change: Change): Change {
  const { meta: _, ...rest } = change
  return rest
}

/** The new default plan first: the old one is none any more when its turn comes. */
function inOrder(entries: readonly Entry[]): [number, Entry][] {
  const numbered = entries.map((entry, index): [number, Entry] => [index, entry])
  return numbered.toSorted(([, a], [, b]) => Number(b['is_default'] === true) - Number(a['is_default'] === true))
}

/** The error with pointers into the whole document. */
function located(error: unknown, place: string, entry: Entry, body: unknown): unknown {
  const cause = error instanceof EntryError ? error.cause : error
  const { errors, headers, status } = toApiError(cause, { method: 'POST', body: entry })
  if (status >= 500) return cause
  const [first, ...rest] = errors.map((each): ErrorObject => {
    const inside = each.source && 'pointer' in each.source ? each.source.pointer : ''
    return { ...each, source: { pointer: resolvingPart(body, place + inside) } }
  })
  return first ? new ApiError([first, ...rest], headers) : cause
}

function named(error: unknown, detail: string, pointer: string): unknown {
  const { errors, headers, status } = toApiError(error, { method: 'DELETE', body: undefined })
  if (status >= 500) return error
  return new ApiError(
    [{ ...errors[0], detail: `${detail}: ${errors[0].detail ?? errors[0].title}`, source: { pointer } }],
    headers,
  )
}
