import { AsyncLocalStorage } from 'node:async_hooks'
import { ApiError } from '@apigate/errors'
import type { FastifyRequest } from 'fastify'
import type { ResourceDefinition, Row } from './definition.ts'
import { parseTags, versionOf } from './etag.ts'

/**
 * `If-Match` of the request that is being worked on. It is held against the row that the write has locked (`existing` does
 * it), so that nothing can come between the comparison and the write; no controller or service knows of it.
 */
interface Precondition {
  header: string
  /** Of the resource that the URL names; undefined when it names none. */
  targetId: string | undefined
  checked: boolean
}

const storage = new AsyncLocalStorage<Precondition>()

/** Runs a request's handler with its `If-Match`, if it has one. */
export function withPrecondition(request: FastifyRequest, work: () => void): void {
  const { 'if-match': header } = request.headers
  if (header === undefined) return work()
  const { relationship: _, ...ids } = request.params as Record<string, string>
  storage.run({ header, targetId: Object.values(ids).at(-1), checked: false }, work)
}

/** Without work for every row but that of the resource in the URL. @throws ApiError 409 when the row is of another version. */
export function checkPrecondition(definition: ResourceDefinition, row: Row): void {
  const precondition = storage.getStore()
  if (precondition === undefined || precondition.targetId !== row.id) return
  precondition.checked = true
  const tags = parseTags('If-Match', precondition.header)
  if (tags === '*') return
  const version = versionOf(definition, row)
  // Compared strongly: a weak tag matches nothing (RFC 9110 §13.1.1).
  if (tags.some(({ opaque, weak }) => !weak && opaque.split('~', 1)[0] === version)) return
  throw ApiError.of('conflict', `${row.id} has changed since: read it again`, { header: 'If-Match' })
}

/** For a write that is about to commit: a condition that nothing was held against must not pass for a true one. */
export function requireChecked(): void {
  const precondition = storage.getStore()
  if (precondition === undefined || precondition.checked) return
  if (parseTags('If-Match', precondition.header) === '*') return
  throw ApiError.of('bad_request', 'If-Match goes with the URL of one resource', { header: 'If-Match' })
}
