import { hash, timingSafeEqual } from 'node:crypto'
import { isWellFormedKey, presentedKey } from '@apigate/core'
import { ApiError, errorObject, type ErrorCode } from '@apigate/errors'
import { Injectable } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import { setActor } from './actor.ts'
import { AdminKeysRepository, type AdminKeyRow } from './admin-keys.repository.ts'

const readMethods = new Set(['GET', 'HEAD'])
/** `last_used` is accurate to this. */
const lastUsedMs = 60_000

/**
 * Says who calls and whether they may: an admin key with `admin:read` for GET and HEAD, with `admin:write` for everything.
 * A database that does not answer is 503, never 401.
 */
@Injectable()
export class Authenticator {
  constructor(private readonly keys: AdminKeysRepository) {}

  /** @throws ApiError 401 or 403 */
  async authenticate(request: FastifyRequest): Promise<void> {
    const { authorization, 'x-api-key': xApiKey } = request.headers
    const presented = presentedKey(authorization, typeof xApiKey === 'string' ? xApiKey : undefined)
    if (presented === null) throw refused('unauthorized', 'send an admin API key as a Bearer token or in X-API-Key')
    const header = presented.from === 'authorization' ? 'Authorization' : 'X-API-Key'
    const key = isWellFormedKey(presented.key) ? await this.find(presented.key) : null
    if (key === null) throw refused('unauthorized', 'this API key is not known', header)
    const now = new Date()
    if (key.revokedAt !== null) throw refused('unauthorized', 'this API key was revoked', header)
    if (key.expiresAt !== null && key.expiresAt <= now)
      throw refused('unauthorized', 'this API key has expired', header)
    const owner = key.user ?? key.group
    if (owner !== null && owner.status !== 'active') throw forbidden('the owner of this API key is not active')
    const scopes = readMethods.has(request.method) ? ['admin:read', 'admin:write'] : ['admin:write']
    if (!key.scopes.some((scope) => scopes.includes(scope)))
      throw forbidden(`this takes a key with the scope ${scopes[0]}`)
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

function refused(code: ErrorCode, detail: string, header?: string): ApiError {
  return new ApiError([errorObject(code, detail, header === undefined ? undefined : { header })], {
    'www-authenticate': 'Bearer realm="apigate"',
  })
}

function forbidden(detail: string): ApiError {
  return ApiError.of('forbidden', detail)
}
