import { createParamDecorator } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'

/** Who writes, and by which request: the author of audit rows and configuration changes. */
export interface Actor {
  type: 'api_key' | 'user' | 'system'
  id: string | null
  requestId: string | null
  /** The client's IP address. */
  address: string | null
  /** Of a user who has signed in. */
  sessionId?: string
}

/** For what the control plane does by itself. */
export const systemActor: Actor = { type: 'system', id: null, requestId: null, address: null }

const actors = new WeakMap<FastifyRequest, Actor>()

export function setActor(request: FastifyRequest, actor: Actor): void {
  actors.set(request, actor)
}

/** The authenticated `Actor` of the request. */
export const CurrentActor = createParamDecorator((_, context) => {
  const actor = actors.get(context.switchToHttp().getRequest<FastifyRequest>())
  // Only a public route has none, and none of those writes.
  if (!actor) throw new Error('the request was not authenticated')
  return actor
})
