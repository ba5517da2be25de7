import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { parseCookie, stringifySetCookie } from 'cookie'

const cookieName = 'apigate_session'
export const sessionSeconds = 7 * 24 * 60 * 60

/** What a session's cookie holds: 256 random bits. Only their SHA-256 is stored. */
export function newSessionToken(): string {
  return randomBytes(32).toString('base64url')
}

export function tokenDigest(token: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hash('sha256', token, 'buffer'))
}

/** The token that a request brings; null without one, or with what cannot be one. */
export function sessionToken(request: FastifyRequest): string | null {
  const { cookie } = request.headers
  const token = cookie === undefined ? undefined : parseCookie(cookie)[cookieName]
  return token !== undefined && /^[A-Za-z0-9_-]{43}$/.test(token) ? token : null
}

/** A `Set-Cookie`: for seven days, or, with null, for the browser to forget. */
export function sessionCookie(token: string | null, secure: boolean): string {
  const attributes = { httpOnly: true, sameSite: 'lax', path: '/', secure } as const
  const maxAge = token === null ? 0 : sessionSeconds
  return stringifySetCookie({ name: cookieName, value: token ?? '', maxAge, ...attributes })
}

/**
 * The token that a page of ours sends in `X-CSRF-Token`: it follows from the session's, so that it ends with the session and
 * needs no place to be kept, and another site can know neither.
 */
export function csrfToken(token: string): string {
  return createHmac('sha256', token).update('apigate csrf').digest('base64url')
}

export function isCsrfToken(sent: string, token: string): boolean {
  const [given, expected] = [Buffer.from(sent), Buffer.from(csrfToken(token))]
  return given.length === expected.length && timingSafeEqual(given, expected)
}
