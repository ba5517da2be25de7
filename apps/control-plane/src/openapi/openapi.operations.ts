import {
  inputSchemas,
  mediaType,
  type JsonSchema,
  type Relationship,
  type ResourceDefinition,
} from '../jsonapi/index.ts'
import type { HttpMethod } from './endpoint.list.ts'
import type { EndpointReading } from './endpoint.reading.ts'
import { bodyContent } from './input.schemas.ts'
import { errorAnswers, type AdminErrorCode } from './openapi.answers.ts'
import { ref, schemaName } from './openapi.names.ts'
import { tagOf, wordsOf } from './operation.words.ts'
import {
  bareParameters,
  linkageParameters,
  listParameters,
  references,
  representationParameters,
  type Parameters,
} from './query.parameters.ts'
import {
  idSchema,
  linkageDocument,
  linkageSchema,
  manyLinkageDocument,
  manyLinkageSchema,
  relatedDocument,
} from './resource.schemas.ts'

/** Operations of OpenAPI 3.1, from what endpoints say of themselves. */

export interface Operation {
  operationId: string
  summary: string
  tags: string[]
  [member: string]: unknown
}

const readHeaders = ['IfNoneMatch']
const writeHeaders = ['IfMatch', 'Prefer']

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
      ...pathParameters(path, endpoint.parent ?? definition),
      ...references(parameters),
      ...(definition ? (method === 'get' ? readHeaders : writeHeaders).map((name) => ref('parameters', name)) : []),
      ...(endpoint.public ? [] : [ref('parameters', 'RequestId')]),
    ],
    ...bodyOf(endpoint, relationship, method),
    responses: { ...successOf(endpoint, relationship), ...errorAnswers(errorsOf(endpoint, path)) },
  }
  return { path: path.replaceAll(/:(\w+)/g, '{$1}'), method, operation, parameters }
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
  { query, relationship, many }: EndpointReading,
  one: Relationship | null,
  admin: boolean,
): Parameters {
  if (one) return relationship?.kind === 'related' ? representationParameters(one.target(), true) : {}
  if (many?.kind === 'manyLinkage') return linkageParameters(many.many.target())
  if (query === null) return {}
  const { definition } = query
  if (query.kind !== 'list') return representationParameters(definition, query.kind === 'item')
  const bare = admin ? bareParameters(definition) : {}
  return { ...listParameters(definition), ...bare, ...representationParameters(definition, true) }
}

function bodyOf({ body, many, description }: EndpointReading, one: Relationship | null, method: HttpMethod): object {
  if (body) {
    // What an action takes may be left out, unless something in it may not.
    const required = body.kind !== 'action' || inputSchemas(body.Input).required.length > 0
    const verb = body.kind === 'update' ? 'Update' : 'Creation'
    return requestBody(bodyContent(body.Input, verb, description.example), required)
  }
  const changed = many?.kind === 'manyChange' ? manyLinkageSchema(many.many) : one && linkageSchema(one)
  if (changed && method !== 'get') {
    const schema = { type: 'object', properties: { data: changed }, required: ['data'] }
    return requestBody({ [mediaType]: { schema }, 'application/json': { schema } })
  }
  return description.body ? requestBody({ 'application/json': { schema: description.body } }) : {}
}

function requestBody(content: object, required = true): object {
  return { requestBody: { required, content } }
}

function successOf(
  { definition, method, body, query, relationship, many, description }: EndpointReading,
  one: Relationship | null,
): Record<string, object> {
  const { answer = {}, meta } = description
  const write = method !== 'get'
  const created = body?.kind === 'creation'
  const status = answer.status ?? (created ? 201 : method === 'delete' || many?.kind === 'manyChange' ? 204 : 200)
  const own = Object.entries(answer.headers ?? {}).map(([name, schema]) => [name, { schema }])
  const headers = {
    'X-Request-ID': ref('headers', 'RequestId'),
    ...(definition && status !== 204 && { ETag: ref('headers', 'ETag') }),
    ...(created && { Location: ref('headers', 'Location') }),
    ...(write && definition && { 'X-Config-Revision': ref('headers', 'ConfigRevision') }),
    ...(write && definition && { 'Preference-Applied': ref('headers', 'PreferenceApplied') }),
    ...Object.fromEntries(own),
  }
  const document = (): JsonSchema | null => {
    if (status === 204) return null
    if (many) return manyLinkageDocument(many.many)
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
  if (definition === null) return { [status]: said }
  if (!write) return { [status]: said, 304: { description: 'The client has this already.' } }
  const late = schema ? { allOf: [schema, ref('schemas', 'Pending')] } : ref('schemas', 'Pending')
  return { [status]: said, 202: { ...waiting, ...content(late) } }
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
