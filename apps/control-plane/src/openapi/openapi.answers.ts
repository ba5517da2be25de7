import { errorCatalogue, type ErrorCode } from '@apigate/errors'
import { mediaType, type JsonSchema } from '../jsonapi/index.ts'
import { pascalCase, ref } from './openapi.names.ts'

/** Answers that many endpoints share: errors by status, and headers. */

const adminCodes = [
  'bad_request',
  'unauthorized',
  'forbidden',
  'not_found',
  'not_acceptable',
  'conflict',
  'payload_too_large',
  'unsupported_media_type',
  'validation_error',
  'rate_limit_exceeded',
  'internal_error',
  'service_unavailable',
] as const satisfies ErrorCode[]

export type AdminErrorCode = (typeof adminCodes)[number]

const headersOf: Partial<Record<ErrorCode, Record<string, object>>> = {
  unauthorized: { 'WWW-Authenticate': ref('headers', 'WwwAuthenticate') },
  service_unavailable: { 'Retry-After': ref('headers', 'RetryAfter') },
  rate_limit_exceeded: { 'Retry-After': ref('headers', 'RetryAfter') },
}

/** By component name, e.g. `NotFound`. */
export const errorResponses = Object.fromEntries(
  adminCodes.map((code) => {
    const { status, title } = errorCatalogue[code]
    const example = { jsonapi: { version: '1.1' }, errors: [{ status: String(status), code, title }] }
    return [
      pascalCase(code),
      {
        description: title,
        headers: { 'X-Request-ID': ref('headers', 'RequestId'), ...headersOf[code] },
        content: { [mediaType]: { schema: ref('schemas', 'ErrorDocument'), example } },
      },
    ]
  }),
)

/** The `responses` of an operation for these codes, by status. */
export function errorAnswers(codes: readonly AdminErrorCode[]): Record<string, object> {
  return Object.fromEntries(
    adminCodes
      .filter((code) => codes.includes(code))
      .map((code) => [errorCatalogue[code].status, ref('responses', pascalCase(code))]),
  )
}

const text: JsonSchema = { type: 'string' }

export const headers = {
  RequestId: { description: 'The id of the request, as it was sent or else made.', schema: text },
  ConfigRevision: {
    description: 'The configuration revision that the write is part of.',
    schema: { type: 'string', pattern: '^\\d+$' },
  },
  ETag: { description: 'Names this version of the answer, for `If-Match` and `If-None-Match`.', schema: text },
  Location: { description: 'Where the new resource is.', schema: text },
  PreferenceApplied: { description: 'Where `Prefer: wait` was followed (RFC 7240).', schema: text },
  RetryAfter: { description: 'In seconds.', schema: text },
  WwwAuthenticate: { description: 'How to authenticate (RFC 9110 §11.6.1).', schema: text },
}

export const errorSchemas: Record<string, JsonSchema> = {
  ErrorDocument: {
    type: 'object',
    properties: {
      jsonapi: ref('schemas', 'JsonApi'),
      errors: { type: 'array', items: ref('schemas', 'Error'), minItems: 1 },
    },
    required: ['jsonapi', 'errors'],
    additionalProperties: false,
  },
  Error: {
    type: 'object',
    properties: {
      id: { type: 'string', description: 'To be quoted in a report of an internal error.' },
      status: { type: 'string', pattern: '^[45]\\d\\d$' },
      code: { type: 'string', enum: Object.keys(errorCatalogue) },
      title: text,
      detail: text,
      source: {
        type: 'object',
        description: 'Where in the request: exactly one of the three.',
        properties: {
          pointer: { type: 'string', description: 'A JSON pointer into the body.' },
          parameter: { type: 'string', description: 'A query parameter.' },
          header: text,
        },
        minProperties: 1,
        maxProperties: 1,
        additionalProperties: false,
      },
    },
    required: ['status', 'code', 'title'],
    additionalProperties: false,
  },
}
