import { hash, timingSafeEqual } from 'node:crypto'
import { isWellFormedKey, presentedKey, type PresentedKey } from '@apigate/core'
import { ApiError } from '@apigate/errors'
import { Injectable } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import { isSessionOnly, scopesFor } from './access.ts'
import { setActor } from './actor.ts'
import { AdminKeysRepository, type AdminKeyRow } from './admin-keys.repository.ts'
import { SessionAuthenticator } from './session.authenticator.ts'
import { sessionToken } from './session.token.ts'
import { unauthorized } from './unauthorized.ts'

/** `last_used` is accurate to this. */
const lastUsedMs = 60_000

/**
 * Says who calls and whether they may: an admin key with `admin:read` for GET and HEAD, with `admin:write` for everything; or
 * who has signed in. A key that is sent wins over a cookie, which a browser sends unasked. A database that does not answer
 * is 503, never 401.
 */
@Injectable()
export class Authenticator {
  constructor(
    private readonly keys: AdminKeysRepository,
    private readonly sessions: SessionAuthenticator,
  ) {}

  /** @throws ApiError 401 or 403 */
  async authenticate(request: FastifyRequest): Promise<void> {
    const { authorization, 'x-api-key': xApiKey } = request.headers
    const presented = presentedKey(authorization, typeof xApiKey === 'string' ? xApiKey : undefined)
    if (presented !== null) return this.authenticateKey(request, presented)
    const token = sessionToken(request)
    if (token !== null) return this.sessions.authenticate(request, token)
    throw unauthorized('send an admin API key as a Bearer token or in X-API-Key, or sign in at /auth/login')
  }

  private async authenticateKey(request: FastifyRequest, presented: PresentedKey): Promise<void> {
    const header = presented.from === 'authorization' ? 'Authorization' : 'X-API-Key'
    const key = isWellFormedKey(presented.key) ? await this.find(presented.key) : null
    if (key === null) throw unauthorized('this API key is not known', header)
    const now = new Date()
    if (key.revokedAt !== null) throw unauthorized('this API key was revoked', header)
    if (key.expiresAt !== null && key.expiresAt <= now) throw unauthorized('this API key has expired', header)
    if (key.ownerStatus !== null && key.ownerStatus !== 'active')
      throw forbidden('the owner of this API key is not active')
    const scopes: readonly string[] = scopesFor(request)
    if (!key.scopes.some((scope) => scopes.includes(scope)))
      throw forbidden(`this takes a key with the scope ${scopes[0]}`)
    if (isSessionOnly(request)) throw forbidden('this is for who has signed in, not for a key')
    if (key.lastUsed === null || now.getTime() - key.lastUsed.getTime() > lastUsedMs) {
      await this.keys.setLastUsed(key.id, now)
    }
    setActor(request, { type: 'api_key', id: key.id, requestId: request.id, address: request.ip })
  }

  private async find(key: string): Promise<AdminKeyRow | null> {
    const digest = hash('sha256', key, 'buffer')
    const row = await this.keys.findByDigest(new Uint8Array(digest))
    return row !== null && timingSafeEqual(row.digest, digest) ? row : null
  }
}

function forbidden(detail: string): ApiError {
  return ApiError.of('forbidden', detail)
}
