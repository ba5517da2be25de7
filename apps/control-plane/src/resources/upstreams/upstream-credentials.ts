import type { UpstreamAuthType } from '@apigate/core'
import type { Sealer } from '@apigate/platform'
import { InputError } from '../../jsonapi/index.ts'
import type { UpstreamInput } from './upstreams.input.ts'

/** The columns that say how the proxy signs in at an upstream. */
export interface Credentials {
  authType: UpstreamAuthType
  authHeader: string | null
  authValueSealed: string | null
}

const none: Credentials = { authType: 'none', authHeader: null, authValueSealed: null }

/**
 * The credentials after a write: what was sent over what there was. A stored value is kept only for the type that it was
 * given for, because a Bearer token is no `user:password`.
 *
 * @throws InputError when they do not fit together.
 */
export function mergeCredentials(input: UpstreamInput, before: Credentials = none, sealer: Sealer): Credentials {
  const authType = input.auth_type ?? before.authType
  if (authType === 'none') {
    for (const field of ['auth_value', 'auth_header'] as const) {
      if (input[field]) throw invalid(field, 'is of no use with auth_type "none"')
    }
    return none
  }
  const authHeader = authType === 'header' ? (input.auth_header ?? before.authHeader) : null
  if (authType === 'header' && authHeader === null) throw invalid('auth_header', 'is required with auth_type "header"')
  if (authType !== 'header' && input.auth_header) throw invalid('auth_header', 'is for auth_type "header" only')
  if (authType === 'basic' && input.auth_value && !input.auth_value.includes(':')) {
    throw invalid('auth_value', 'must be user:password with auth_type "basic"')
  }
  const kept = authType === before.authType && input.auth_value !== null ? before.authValueSealed : null
  const authValueSealed = input.auth_value ? sealer.seal(input.auth_value) : kept
  if (authValueSealed === null) throw invalid('auth_value', `is required with auth_type "${authType}"`)
  return { authType, authHeader, authValueSealed }
}

function invalid(field: 'auth_value' | 'auth_header', detail: string): InputError {
  return InputError.of('validation_error', field, `${field} ${detail}`)
}
