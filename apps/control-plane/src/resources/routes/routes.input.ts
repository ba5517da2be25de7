import type { HeaderMatch, MeteringMode, PathMatch, Protocol } from '@apigate/core'
import {
  Flag,
  Integer,
  integerMax,
  isObject,
  JsonObject,
  OneOf,
  Reference,
  Required,
  rule,
  Text,
  TextList,
} from '../../jsonapi/index.ts'

export const hostMatchTypes = ['exact', 'wildcard', 'regex'] as const
export type HostMatchType = (typeof hostMatchTypes)[number]
export const pathMatchTypes = ['exact', 'prefix', 'regex'] as const satisfies PathMatch[]
export const meteringModes = ['request', 'bytes', 'response_field', 'custom'] as const satisfies MeteringMode[]
export const protocols = ['http', 'http_stream', 'sse', 'websocket'] as const satisfies Protocol[]
const headerMatches = ['exact', 'prefix', 'regex', 'present', 'absent'] as const satisfies HeaderMatch[]

/** Only shapes and sizes are checked here: what patterns mean, the proxy's own compiler says (`routeProblems`). */
export class RouteInput {
  @Required() @Text({ min: 1, max: 100 }) name?: string
  @Text({ max: 2000 }) description?: string
  @Text({ max: 2048 }) host_pattern?: string
  /** Empty: inferred from the pattern. */
  @OneOf([...hostMatchTypes, ''], { nullable: true }) host_match_type?: HostMatchType | '' | null
  @Required() @Text({ min: 1, max: 2048 }) path_pattern?: string
  @OneOf(pathMatchTypes) match_type?: PathMatch
  @TextList({ max: 32, pattern: [/^.{1,64}$/, 'must be HTTP methods'] }) methods?: string[]
  @HeaderConditions() headers?: HeaderConditionInput[]
  @Text({ max: 2048, nullable: true }) path_rewrite?: string | null
  @Text({ max: 64, nullable: true }) method_override?: string | null
  @Text({ max: 1000, nullable: true }) metering_expr?: string | null
  @OneOf(meteringModes) metering_mode?: MeteringMode
  @OneOf(protocols) protocol?: Protocol
  @Integer({ min: -integerMax }) priority?: number
  @Flag() auth_required?: boolean
  @Flag() enabled?: boolean
  @JsonObject({ nullable: true }) request_transform?: Record<string, unknown> | null
  @JsonObject({ nullable: true }) response_transform?: Record<string, unknown> | null
  @Required() @Reference() upstream_id?: string
}

export interface HeaderConditionInput {
  name: string
  match?: HeaderMatch
  value?: string
}

function HeaderConditions(): PropertyDecorator {
  const condition = {
    type: 'object',
    properties: {
      name: { type: 'string' },
      match: { type: 'string', enum: headerMatches },
      value: { type: 'string', maxLength: 4096 },
    },
    required: ['name'],
    additionalProperties: false,
  }
  return rule(false, { type: 'array', items: condition, maxItems: 32 }, (value) => {
    if (!Array.isArray(value) || value.length > 32) return 'must be a list of at most 32 conditions'
    return value.every(isCondition)
      ? null
      : `must hold {"name", "value", "match"}, where match is one of ${headerMatches.join(', ')}`
  })
}

function isCondition(entry: unknown): boolean {
  if (!isObject(entry)) return false
  const { name, value, match, ...others } = entry
  return (
    typeof name === 'string' &&
    (value === undefined || (typeof value === 'string' && value.length <= 4096)) &&
    (match === undefined || headerMatches.some((known) => known === match)) &&
    Object.keys(others).length === 0
  )
}
