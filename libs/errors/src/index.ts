/**
 * The catalogue of errors: every `code` that a client of APIGate can receive, with its HTTP status and title.
 * `admin` codes are the control plane's, `proxy` codes are a worker's; a code means the same on both surfaces.
 * docs/errors.md lists the same rows; a test holds the two together.
 */
export const errorCatalogue = {
  bad_request: { status: 400, title: 'Bad request' },
  unauthorized: { status: 401, title: 'Authentication required' },
  missing_api_key: { status: 401, title: 'API key missing' },
  invalid_api_key: { status: 401, title: 'API key not valid' },
  key_expired: { status: 401, title: 'API key expired' },
  key_revoked: { status: 401, title: 'API key revoked' },
  quota_exceeded: { status: 402, title: 'Monthly quota exceeded' },
  forbidden: { status: 403, title: 'Not allowed' },
  user_suspended: { status: 403, title: 'User not active' },
  group_suspended: { status: 403, title: 'Group not active' },
  not_found: { status: 404, title: 'Not found' },
  route_not_found: { status: 404, title: 'No route matches' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  not_acceptable: { status: 406, title: 'Not acceptable' },
  request_timeout: { status: 408, title: 'Request took too long' },
  conflict: { status: 409, title: 'Conflict' },
  payload_too_large: { status: 413, title: 'Payload too large' },
  uri_too_long: { status: 414, title: 'URI too long' },
  unsupported_media_type: { status: 415, title: 'Unsupported media type' },
  expectation_failed: { status: 417, title: 'Expectation failed' },
  validation_error: { status: 422, title: 'Validation failed' },
  rate_limit_exceeded: { status: 429, title: 'Rate limit exceeded' },
  header_fields_too_large: { status: 431, title: 'Request header fields too large' },
  client_closed_request: { status: 499, title: 'Client went away' },
  internal_error: { status: 500, title: 'Internal error' },
  not_implemented: { status: 501, title: 'Not implemented' },
  upstream_error: { status: 502, title: 'Upstream failed' },
  service_unavailable: { status: 503, title: 'Service unavailable' },
  not_ready: { status: 503, title: 'Not ready' },
  upstream_unavailable: { status: 503, title: 'Upstream unavailable' },
  upstream_timeout: { status: 504, title: 'Upstream timed out' },
} as const satisfies Record<string, { status: number; title: string }>

export type ErrorCode = keyof typeof errorCatalogue

/** Where in the request an error lies (JSON:API 1.1 §11.2): exactly one member. */
export type ErrorSource = { pointer: string } | { parameter: string } | { header: string }

/** One member of a JSON:API `errors` array. `status` is a string, as JSON:API demands. */
export interface ErrorObject {
  id?: string
  status: string
  code: ErrorCode
  title: string
  detail?: string
  source?: ErrorSource
}

/** The JSON:API error object of a catalogue entry. */
export function errorObject(code: ErrorCode, detail?: string, source?: ErrorSource): ErrorObject {
  const entry = errorCatalogue[code]
  const error: ErrorObject = { status: String(entry.status), code, title: entry.title }
  if (detail !== undefined) error.detail = detail
  if (source !== undefined) error.source = source
  return error
}

/**
 * An error that is safe to show to the caller. `errors` holds at least one object; the HTTP status of the answer is
 * that of the first.
 */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly errors: readonly [ErrorObject, ...ErrorObject[]]
  /** Extra response headers, lower-case names, e.g. `retry-after`, `allow`, `www-authenticate`. */
  readonly headers: Readonly<Record<string, string>>

  constructor(errors: readonly [ErrorObject, ...ErrorObject[]], headers: Readonly<Record<string, string>> = {}) {
    super(`${errors[0].code}: ${errors[0].detail ?? errors[0].title}`)
    this.errors = errors
    this.headers = headers
  }

  static of(code: ErrorCode, detail?: string, source?: ErrorSource): ApiError {
    return new ApiError([errorObject(code, detail, source)])
  }

  get status(): number {
    return Number(this.errors[0].status)
  }
}
