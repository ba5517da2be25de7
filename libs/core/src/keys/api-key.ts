import type { KeyConfig } from '../model.ts'

/** `ak_` and 256 random bits in lower-case hex. */
export const apiKeyPattern = /^ak_[0-9a-f]{64}$/

export function isWellFormedKey(text: string): boolean {
  return apiKeyPattern.test(text)
}

/** The part of a key that may be shown and logged. */
export function keyPrefix(key: string): string {
  return key.slice(0, 12)
}

export interface PresentedKey {
  /** As sent; not yet checked for its form. */
  key: string
  from: 'authorization' | 'x-api-key'
}

/** RFC 9110 §11.1: the scheme is compared without case. */
const bearer = /^bearer(?: +(.*))?$/i

/**
 * The key that a request presents: a Bearer token if there is one, else `X-API-Key`. Another scheme (`Basic`), or Bearer
 * without a token, is not a key and stays for the upstream to read. A Bearer token counts even if it does not look like a
 * key: falling back to the other header would let one request name two callers. Null = none.
 */
export function presentedKey(authorization: string | undefined, xApiKey: string | undefined): PresentedKey | null {
  if (authorization !== undefined) {
    const key = bearer.exec(authorization.trim())?.[1]
    if (key !== undefined) return { key, from: 'authorization' }
  }
  const key = xApiKey?.trim()
  return key === undefined || key === '' ? null : { key, from: 'x-api-key' }
}

export type KeyState = 'active' | 'expired' | 'revoked'

/**
 * A revoked key is revoked whatever the worker's clock says; an overlap after rotation goes by `expiresAtMs`. Expiry is
 * the first instant at which the key no longer works.
 */
export function keyState(key: Pick<KeyConfig, 'expiresAtMs' | 'revokedAtMs'>, nowMs: number): KeyState {
  if (key.revokedAtMs !== null) return 'revoked'
  return key.expiresAtMs !== null && key.expiresAtMs <= nowMs ? 'expired' : 'active'
}
