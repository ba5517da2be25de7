import { errorCatalogue, errorObject, type ErrorCode } from '@apigate/errors'

/** An answer that the gateway gives itself: a JSON:API error document, ready to be sent. */
export interface Refusal {
  readonly code: ErrorCode
  readonly status: number
  readonly body: Buffer
  /** Names and values alternating; the framing and what every answer carries are added when it is sent. */
  readonly headers: readonly string[]
  /** Nothing sensible can follow on this connection. */
  readonly closesConnection: boolean
}

/** Refusals that are always the same are made once, at module level. */
export function refusal(code: ErrorCode, detail?: string, headers: readonly string[] = [], id?: string): Refusal {
  const body = Buffer.from(JSON.stringify({ errors: [{ id, ...errorObject(code, detail) }] }))
  const { status } = errorCatalogue[code]
  return { code, status, body, headers: [...errorHeaders, ...headers], closesConnection: false }
}

const errorHeaders = ['content-type', 'application/vnd.api+json', 'cache-control', 'no-store']

export function closing(refusal: Refusal): Refusal {
  return { ...refusal, closesConnection: true }
}

/** RFC 9110 §11.6.1: every 401 says how to authenticate. */
export function unauthorized(code: ErrorCode, detail?: string): Refusal {
  return refusal(code, detail, ['www-authenticate', 'Bearer realm="apigate"'])
}

/** The shared limits cannot be asked, and the settings say to refuse then. */
export const limitsAway = refusal('service_unavailable', 'The limits cannot be checked at the moment.', [
  'retry-after',
  '1',
])
