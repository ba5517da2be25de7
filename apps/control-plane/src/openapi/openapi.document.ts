import type { InputClass, ResourceDefinition } from '../jsonapi/index.ts'
import type { Endpoint } from './endpoint.list.ts'
import { readEndpoint } from './endpoint.reading.ts'
import { bodySchemas } from './input.schemas.ts'
import { errorResponses, errorSchemas, headers } from './openapi.answers.ts'
import { operationsOf, type Operation } from './openapi.operations.ts'
import type { Parameters } from './query.parameters.ts'
import { reachable, resourceSchemas } from './resource.schemas.ts'

export interface OpenApiDocument {
  openapi: '3.1.0'
  info: object
  servers: object[]
  security: object[]
  tags: object[]
  paths: Record<string, Record<string, Operation>>
  components: Record<string, object>
}

/**
 * The OpenAPI 3.1 description of these endpoints (https://spec.openapis.org/oas/v3.1.0): nothing in it is said twice, it is
 * what the definitions of resources, the rules of input and the decorators of controllers say.
 *
 * @throws Error naming an endpoint that says too little, or two operations of one id.
 */
export function openApiDocument(endpoints: readonly Endpoint[], version: string): OpenApiDocument {
  const readings = endpoints.map(readEndpoint)
  const definitions = new Set<ResourceDefinition>()
  const inputs = new Map<ResourceDefinition, InputClass<object>>()
  const bodies = {}
  for (const { definition, body } of readings) {
    if (definition) for (const one of reachable(definition)) definitions.add(one)
    if (!body) continue
    if (body.kind !== 'action') inputs.set(body.definition, body.Input)
    Object.assign(bodies, bodySchemas(body.definition, body.Input, body.kind === 'update' ? 'Update' : 'Creation'))
  }
  const paths: OpenApiDocument['paths'] = {}
  const parameters: Parameters = {}
  const seen = new Set<string>()
  for (const { path, method, operation, parameters: used } of readings.flatMap(operationsOf)) {
    if (seen.has(operation.operationId)) throw new Error(`${method} ${path}: a second ${operation.operationId}`)
    seen.add(operation.operationId)
    paths[path] = { ...paths[path], [method]: operation }
    Object.assign(parameters, used)
  }
  const tags = new Set(
    Object.values(paths).flatMap((item) => Object.values(item).flatMap((operation) => operation.tags)),
  )
  return {
    openapi: '3.1.0',
    info: { title: 'APIGate admin API', version, description: about },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { key: [] }, { session: [] }],
    tags: [...tags].map((name) => ({ name })),
    paths,
    components: {
      schemas: { ...resourceSchemas(definitions, inputs), ...bodies, ...errorSchemas, Pending: pending },
      parameters: { ...parameters, ...sharedParameters },
      responses: errorResponses,
      headers,
      securitySchemes,
    },
  }
}

const about = `JSON:API 1.1 (https://jsonapi.org/format/1.1/). Bodies come as JSON:API documents or as flat objects of
attributes. \`/admin\` is the same API under the names of its second surface. With \`fields[type]\` an answer holds the
fields that were asked for and no others; the schemas show whole resources.`

const pending = {
  type: 'object',
  properties: {
    jsonapi: { $ref: '#/components/schemas/JsonApi' },
    meta: {
      type: 'object',
      properties: {
        config_revision: { type: 'integer' },
        workers_behind: {
          description: 'Null: no worker was heard, so it cannot be told.',
          type: ['array', 'null'],
          items: { type: 'string' },
        },
      },
      required: ['config_revision', 'workers_behind'],
    },
  },
  required: ['jsonapi', 'meta'],
}

const sharedParameters = {
  RequestId: {
    ...{ name: 'X-Request-ID', in: 'header', description: 'Kept, if it is 1 to 128 visible ASCII characters.' },
    schema: { type: 'string', maxLength: 128 },
  },
  IfMatch: {
    ...{ name: 'If-Match', in: 'header', description: 'An ETag: 409 unless the resource is still of that version.' },
    schema: { type: 'string' },
  },
  IfNoneMatch: {
    ...{ name: 'If-None-Match', in: 'header', description: 'An ETag: 304 if the answer would be the same.' },
    schema: { type: 'string' },
  },
  Prefer: {
    ...{
      name: 'Prefer',
      in: 'header',
      description: 'RFC 7240. `wait=5`: answer when every live worker has applied the write.',
    },
    schema: { type: 'string', examples: ['wait=5'] },
  },
}

const securitySchemes = {
  bearer: { type: 'http', scheme: 'bearer', description: 'An API key with the scope `admin:read` or `admin:write`.' },
  key: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'The same.' },
  session: { type: 'apiKey', in: 'cookie', name: 'apigate_session', description: 'Of `POST /auth/login`.' },
}
