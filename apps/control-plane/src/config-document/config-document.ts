import { isDeepStrictEqual } from 'node:util'
import {
  inputSchemas,
  isObject,
  resolvingPart,
  valueOf,
  wireValue,
  type ResourceDefinition,
  type Row,
} from '../jsonapi/index.ts'
import { ApiError, errorObject, type ErrorObject } from '@apigate/errors'
import { operables, type Operable } from '../operations/index.ts'

/** The sections of the document, in the order in which they are written: what is referred to comes first. */
const sectionTypes = ['plans', 'upstreams', 'routes', 'groups', 'webhooks'] as const

export const sections: readonly Operable[] = sectionTypes.flatMap(
  (type) => operables.find(({ definition }) => definition.type === type) ?? [],
)

/** A resource as it stands in the document: its id and what a client may set, by wire name. */
export type Entry = Record<string, unknown> & { id: string }

/** The wanted state: of each section that is there all resources, of one that is not there nothing. */
export type ConfigDocument = Map<Operable, Entry[]>

export const documentVersion = 1

/** What can be said of a resource in the document; what is only written (a secret) is taken, and never shown. */
export function entryNames({ Input }: Operable): string[] {
  return [...inputSchemas(Input).schemas.keys()]
}

export function entryOf(operable: Operable, row: Row): Entry {
  const { attributes, relationships } = operable.definition
  const shown = entryNames(operable).flatMap((name): [string, unknown][] => {
    const field = attributes.get(name)?.field ?? relationships.get(name.replace(/_id$/, ''))?.idField
    return field === undefined ? [] : [[name, wireValue(valueOf(row, field))]]
  })
  return { id: row.id, ...Object.fromEntries(shown) }
}

/** What of an entry is not as the resource has it; null when all of it is. */
export function differenceOf(wanted: Entry, current: Entry): Record<string, unknown> | null {
  const differing = Object.entries(wanted).filter(
    // What is only written cannot be compared: it is written again.
    ([name, value]) => !Object.hasOwn(current, name) || !isDeepStrictEqual(value, current[name]),
  )
  return differing.length > 0 ? Object.fromEntries(differing) : null
}

/** @throws ApiError naming every place where the shape is wrong; what stands in an entry is looked at later. */
export function readConfigDocument(body: unknown): ConfigDocument {
  if (!isObject(body))
    throw ApiError.of('bad_request', 'send an object with the sections of a configuration', { pointer: '' })
  const errors: ErrorObject[] = []
  const document: ConfigDocument = new Map()
  const wrong = (detail: string, pointer: string): void =>
    void errors.push(errorObject('bad_request', detail, { pointer }))
  for (const [name, value] of Object.entries(body)) {
    const section = sections.find(({ definition }) => definition.type === name)
    if (name === 'version') {
      if (value !== documentVersion) wrong(`must be ${documentVersion}`, '/version')
    } else if (!section) {
      wrong(
        `is none of the sections ${sections.map(({ definition }) => definition.type).join(', ')}`,
        resolvingPart(body, `/${name}`),
      )
    } else if (!Array.isArray(value)) {
      wrong('must be a list', `/${name}`)
    } else {
      const entries = value as unknown[]
      document.set(section, readEntries(section.definition, entries, wrong))
    }
  }
  const [first, ...rest] = errors
  if (first) throw new ApiError([first, ...rest])
  return document
}

function readEntries(
  { type }: ResourceDefinition,
  entries: readonly unknown[],
  wrong: (detail: string, pointer: string) => void,
): Entry[] {
  const seen = new Set<string>()
  return entries.flatMap((entry, index) => {
    const pointer = `/${type}/${index}`
    if (!isObject(entry)) wrong('must be an object', pointer)
    else if (!isEntry(entry)) wrong('an id is missing: it ties the entry to its resource', pointer)
    else if (seen.has(entry.id)) wrong('the id is given twice', `${pointer}/id`)
    else {
      seen.add(entry.id)
      return [entry]
    }
    return []
  })
}

function isEntry(value: Record<string, unknown>): value is Entry {
  return typeof value['id'] === 'string'
}
