import { mediaType, type JsonSchema, type Relationship, type ResourceDefinition } from '../jsonapi/index.ts'
import type { HttpMethod } from './endpoint.list.ts'
import type { EndpointReading } from './endpoint.reading.ts'
import { bodyContent } from './input.schemas.ts'
import { errorAnswers, type AdminErrorCode } from './openapi.answers.ts'
import { aWord, pascalCase, ref, schemaName, singular, words } from './openapi.names.ts'
import {
  bareParameters,
  listParameters,
  references,
  representationParameters,
  type Parameters,
} from './query.parameters.ts'
import { idSchema, linkageDocument, linkageSchema, relatedDocument } from './resource.schemas.ts'

/** Operations of OpenAPI 3.1, from what endpoints say of themselves. */

export interface Operation {
  operationId: string
  summary: string
  tags: string[]
  [member: string]: unknown
}

/** Where an operation stands, and the query parameters that it refers to. */
export interface PlacedOperation {
  path: string
  method: HttpMethod
  operation: Operation
  parameters: Parameters
}

/** One operation, or for the endpoints of relationships one for each relationship. */
export function operationsOf(endpoint: EndpointReading): PlacedOperation[] {
  const { relationship, definition, path } = endpoint
  if (relationship === null || definition === null) return [operationOf(endpoint, path, null)]
  return [...definition.relationships.values()].map((one) =>
    operationOf(endpoint, path.replace(':relationship', one.name), one),
  )
}

function operationOf(endpoint: EndpointReading, path: string, relationship: Relationship | null): PlacedOperation {
  const { definition, method, description } = endpoint
  const admin = path.startsWith('/admin/')
  const parameters = queryParameters(endpoint, relationship, admin)
  const { operationId, summary } = { ...wordsOf(endpoint, path, relationship), ...description }
  const operation: Operation = {
    operationId: admin ? `${operationId}OnAdmin${method === 'put' ? 'ByPut' : ''}` : operationId,
    summary,
    ...(description.description && { description: description.description }),
    tags: [tagOf(endpoint)],
    ...(endpoint.public && { security: [] }),
    parameters: [
      ...pathParameters(path, definition),
      ...references(parameters),
      ...(definition && method !== 'get' ? [ref('parameters', 'Prefer')] : []),
      ...(endpoint.public ? [] : [ref('parameters', 'RequestId')]),
    ],
    ...bodyOf(endpoint, relationship, method),
    responses: { ...successOf(endpoint, relationship), ...errorAnswers(errorsOf(endpoint, path)) },
  }
  return { path: path.replaceAll(/:(\w+)/g, '{$1}'), method, operation, parameters }
}

export function tagOf({ definition, path, handler }: EndpointReading): string {
  if (definition === null) return words(handler.split('Controller', 1)[0] ?? '').toLowerCase()
  return `${definition.type}${path.startsWith('/admin/') ? ' (/admin)' : ''}`
}

function wordsOf(
  { definition, method, body, query, path: registered }: EndpointReading,
  path: string,
  relationship: Relationship | null,
): { operationId: string; summary: string } {
  // Those say it themselves.
  if (definition === null) return { operationId: '', summary: '' }
  const name = schemaName(definition)
  const one = aWord(singular(definition.type))
  if (relationship) {
    const related = pascalCase(relationship.name)
    const what = `${words(relationship.name)} of ${one}`
    if (method !== 'get') return { operationId: `set${name}${related}`, summary: `Set the ${what}` }
    if (!path.includes('/relationships/')) return { operationId: `get${name}${related}`, summary: `Read the ${what}` }
    return { operationId: `get${name}${related}Linkage`, summary: `Read which ${words(relationship.name)} ${one} has` }
  }
  if (query?.kind === 'list')
    return { operationId: `list${pascalCase(definition.type)}`, summary: `List ${words(definition.type)}` }
  if (body?.kind === 'creation') return { operationId: `create${name}`, summary: `Create ${one}` }
  if (body?.kind === 'update') return { operationId: `update${name}`, summary: `Update ${one}` }
  if (method === 'delete') return { operationId: `delete${name}`, summary: `Delete ${one}` }
  if (method === 'get') return { operationId: `get${name}`, summary: `Read ${one}` }
  const action = registered.split('/').at(-1) ?? ''
  const verb = pascalCase(action)
  return {
    operationId: `${verb.slice(0, 1).toLowerCase()}${verb.slice(1)}${name}`,
    summary: `${words(verb)} ${one}`,
  }
}

function pathParameters(path: string, definition: ResourceDefinition | null): object[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: name === 'id' && definition ? idSchema(definition) : { type: 'string' },
  }))
}

function queryParameters(
  { query, relationship }: EndpointReading,
  one: Relationship | null,
  admin: boolean,
): Parameters {
  if (one) return relationship?.kind === 'related' ? representationParameters(one.target(), true) : {}
  if (query === null) return {}
  const { definition } = query
  if (query.kind !== 'list') return representationParameters(definition, query.kind === 'item')
  const bare = admin ? bareParameters(definition) : {}
  return { ...listParameters(definition), ...bare, ...representationParameters(definition, true) }
}

function bodyOf({ body, description }: EndpointReading, one: Relationship | null, method: HttpMethod): object {
  if (body) {
    return requestBody(bodyContent(body.Input, body.kind === 'creation' ? 'Creation' : 'Update'))
  }
  if (one && method !== 'get') {
    const schema = { type: 'object', properties: { data: linkageSchema(one) }, required: ['data'] }
    return requestBody({ [mediaType]: { schema }, 'application/json': { schema } })
  }
  return description.body ? requestBody({ 'application/json': { schema: description.body } }) : {}
}

function requestBody(content: object): object {
  return { requestBody: { required: true, content } }
}

function successOf(
  { definition, method, body, query, relationship, description }: EndpointReading,
  one: Relationship | null,
): Record<string, object> {
  const { answer = {}, meta } = description
  const write = method !== 'get'
  const created = body?.kind === 'creation'
  const status = answer.status ?? (created ? 201 : method === 'delete' ? 204 : 200)
  const own = Object.entries(answer.headers ?? {}).map(([name, schema]) => [name, { schema }])
  const headers = {
    'X-Request-ID': ref('headers', 'RequestId'),
    ...(created && { Location: ref('headers', 'Location') }),
    ...(write && definition && { 'X-Config-Revision': ref('headers', 'ConfigRevision') }),
    ...(write && definition && { 'Preference-Applied': ref('headers', 'PreferenceApplied') }),
    ...Object.fromEntries(own),
  }
  const document = (): JsonSchema | null => {
    if (status === 204) return null
    if (one && relationship) return relationship.kind === 'related' ? relatedDocument(one) : linkageDocument(one)
    const resource = answer.resource ?? definition
    if (resource === null) return null
    const schema = ref('schemas', `${schemaName(resource)}${query?.kind === 'list' ? 'Collection' : 'Document'}`)
    if (!meta) return schema
    const withMeta = { type: 'object', properties: { meta }, required: ['meta'] }
    return { allOf: [schema, { type: 'object', properties: { data: withMeta } }] }
  }
  const schema = document()
  const shape = answer.schema
    ? content(answer.schema, answer.mediaType ?? 'application/json')
    : schema
      ? content(schema)
      : {}
  const said = {
    description: answer.description ?? (status === 204 ? 'Done.' : created ? 'Created.' : 'OK.'),
    headers,
    ...shape,
  }
  if (!write || definition === null) return { [status]: said }
  return { [status]: said, 202: { ...waiting, headers, ...content(ref('schemas', 'PendingDocument')) } }
}

const waiting = { description: 'Done, but with `Prefer: wait` the time was up before every worker had applied it.' }

function errorsOf(
  { public: open, definition, method, body, description }: EndpointReading,
  path: string,
): AdminErrorCode[] {
  const sends = body !== null || description.body !== undefined || path.includes('/relationships/')
  const codes: AdminErrorCode[] = ['internal_error', 'service_unavailable']
  if (!open) codes.push('unauthorized', 'forbidden', 'not_acceptable', 'bad_request')
  if (path.includes(':') || body) codes.push('not_found')
  if (method !== 'get' && sends) {
    codes.push('bad_request', 'payload_too_large', 'unsupported_media_type', 'validation_error')
  }
  if (method !== 'get' && definition) codes.push('conflict')
  return codes
}

function content(schema: JsonSchema, type = mediaType): object {
  return { content: { [type]: { schema } } }
}
