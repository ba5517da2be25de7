import type { EndpointDescription, EndpointNote, ResourceDefinition } from '../jsonapi/index.ts'
import type { Endpoint } from './endpoint.list.ts'

type NoteOf<K extends EndpointNote['kind']> = Extract<EndpointNote, { kind: K }>

/** The notes on an endpoint, each in its place. */
export interface EndpointReading extends Endpoint {
  /** The resource whose documents it answers with; null where only the description says. */
  definition: ResourceDefinition | null
  body: NoteOf<'creation' | 'update' | 'action'> | null
  query: NoteOf<'list' | 'item' | 'write'> | null
  relationship: NoteOf<'related' | 'linkage' | 'replacement'> | null
  many: NoteOf<'manyLinkage' | 'manyChange'> | null
  /** The resource whose id is in the path. */
  parent: ResourceDefinition | null
  description: EndpointDescription
}

/** @throws Error naming an endpoint about which nothing is said. */
export function readEndpoint(endpoint: Endpoint): EndpointReading {
  const { notes, handler } = endpoint
  const find = <K extends EndpointNote['kind']>(...kinds: K[]): NoteOf<K> | null =>
    (notes.find(({ kind }) => kinds.some((known) => known === kind)) as NoteOf<K> | undefined) ?? null
  const body = find('creation', 'update', 'action')
  const query = find('list', 'item', 'write')
  const relationship = find('related', 'linkage', 'replacement')
  const many = find('manyLinkage', 'manyChange')
  const parent = find('id')?.definition ?? null
  const description = find('description')?.description ?? {}
  const definition =
    (many ?? body ?? query ?? relationship)?.definition ?? parent ?? description.answer?.resource ?? null
  if (definition === null && (description.summary === undefined || description.operationId === undefined)) {
    throw new Error(`${handler}: say what it does with @Describe({ summary, operationId, … })`)
  }
  return { ...endpoint, definition, body, query, relationship, many, parent, description }
}
