import { timingSafeEqual } from 'node:crypto'
import { ApiError } from '@apigate/errors'
import { Injectable } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import { safeMethods } from './access.ts'
import { setActor } from './actor.ts'
import { LiveSessionsRepository, type LiveSessionRow } from './live-sessions.repository.ts'
import { Origins } from './origins.ts'
import { isCsrfToken, tokenDigest } from './session.token.ts'
import { unauthorized } from './unauthorized.ts'

/** `last_seen_at` is accurate to this. */
const lastSeenMs = 60_000

/**
 * Admits who has signed in: an active user with the role `admin`, who may do everything. A browser sends the cookie along with
 * requests that another site makes; what is not a mere read has to show that it comes from a page of ours.
 */
@Injectable()
export class SessionAuthenticator {
  constructor(
    private readonly sessions: LiveSessionsRepository,
    private readonly origins: Origins,
  ) {}

  /** @throws ApiError 401 or 403 */
  async authenticate(request: FastifyRequest, token: string): Promise<void> {
    const now = new Date()
    const session = await this.find(token)
    if (session === null || session.expiresAt <= now || !mayUse(session.user)) {
      throw unauthorized('this session has ended: sign in again', 'Cookie')
    }
    if (!safeMethods.has(request.method) && !this.isIntended(request, token)) {
      throw ApiError.of('forbidden', 'with a session this takes an Origin of this API, or X-CSRF-Token')
    }
    if (now.getTime() - session.lastSeenAt.getTime() > lastSeenMs) await this.sessions.setLastSeen(session.id, now)
    setActor(request, {
      ...{ type: 'user', id: session.userId, sessionId: session.id },
      ...{ requestId: request.id, address: request.ip },
    })
  }

  private isIntended(request: FastifyRequest, token: string): boolean {
    const sent = request.headers['x-csrf-token']
    return (typeof sent === 'string' && isCsrfToken(sent, token)) || this.origins.isOwn(request)
  }

  private async find(token: string): Promise<LiveSessionRow | null> {
    const digest = tokenDigest(token)
    const row = await this.sessions.findByDigest(digest)
    return row !== null && timingSafeEqual(row.tokenDigest, digest) ? row : null
  }
}

function mayUse({ status, role }: LiveSessionRow['user']): boolean {
  return status === 'active' && role === 'admin'
}
