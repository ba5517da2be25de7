import { parseTraceparent, withLogFields, type LogFields } from '@apigate/platform'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/**
 * Binds each request to what is done for it, so that every line that is logged meanwhile names it. Call before other hooks are
 * installed.
 */
export function bindRequests(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, _reply, done) => enter(request, done))
  // Again: reading a body loses what is bound to the request.
  fastify.addHook('preHandler', (request, _reply, done) => enter(request, done))
}

function enter(request: FastifyRequest, done: () => void): void {
  withLogFields(fieldsOf(request), done)
}

function fieldsOf({ id, headers }: FastifyRequest): LogFields {
  return { request_id: id, trace_id: parseTraceparent(headers['traceparent'] as string | undefined)?.traceId }
}
