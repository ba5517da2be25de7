import { Flag, isObject, Reference, Required, rule, Text } from '../../jsonapi/index.ts'

/** Which routes to make of an OpenAPI document. What is not sent is not touched in routes that are there. */
export class RouteImportInput {
  @OpenApiDocument() @Required() openapi!: Record<string, unknown>
  @Reference() @Required() upstream_id!: string
  @Text({ max: 500, pattern: [/^(\/.*)?$/, 'must start with "/"'] }) path_prefix?: string
  @Text({ max: 2_048 }) host_pattern?: string
  @Flag() auth_required?: boolean
  @Flag() enabled?: boolean
}

/** Looked at no further than it is needed: a document with a mistake elsewhere has paths all the same. */
function OpenApiDocument(): PropertyDecorator {
  return rule(false, { type: 'object' }, (value) => (isObject(value) ? null : 'must be an OpenAPI 3 document'))
}
