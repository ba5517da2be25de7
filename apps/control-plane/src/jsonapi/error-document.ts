import { randomUUID } from 'node:crypto'
import { ApiError, errorObject, type ErrorCode, type ErrorObject } from '@apigate/errors'
import { databaseProblem } from '../persistence/index.ts'
import { EntryError, InputError } from './input.error.ts'
import { unescapePointer } from './json.ts'
import { pointerTo } from './pointer.ts'

/** The part of a request that tells where an error lies. */
export interface ErrorContext {
  method: string
  body: unknown
}

/** Statuses of Fastify's and Nest's own errors that have a code here. */
const codeByStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'bad_request',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'payload_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
  431: 'header_fields_too_large',
  503: 'service_unavailable',
}

/**
 * What a client is told of an error. What is not for clients becomes `internal_error` with an id and no details; the caller
 * logs the error under that id.
 */
export function toApiError(error: unknown, context: ErrorContext): ApiError {
  const { method, body } = context
  if (error instanceof EntryError) return toApiError(error.cause, context)
  if (error instanceof ApiError) return error
  if (error instanceof InputError) {
    const [first, ...rest] = error.problems.map(({ code, field, detail }) =>
      errorObject(code, detail, { pointer: pointerTo(body, field.split('/').map(unescapePointer)) }),
    )
    if (first) return new ApiError([first, ...rest])
  }
  return fromDatabase(error, method, body) ?? fromFramework(error) ?? new ApiError([internalError()])
}

function internalError(): ErrorObject {
  const id = randomUUID()
  return { id, ...errorObject('internal_error', `Something went wrong on our side. Quote ${id} when you report it.`) }
}

function fromDatabase(error: unknown, method: string, body: unknown): ApiError | null {
  const problem = databaseProblem(error)
  if (problem === null) return null
  if (problem.kind === 'unavailable') return unavailable('the database does not answer')
  if (problem.kind === 'lost') return unavailable('other writes got in the way')
  const source = { pointer: pointerTo(body, [problem.column]) }
  if (problem.kind === 'unique') return ApiError.of('conflict', `this ${problem.column} is taken`, source)
  if (method === 'DELETE') return ApiError.of('conflict', 'still in use')
  return ApiError.of('not_found', `there is no such ${problem.column.replace(/_id$/, '')}`, source)
}

/** Errors of Fastify (`statusCode`) and Nest (`getStatus`), which are safe to show below 500. */
function fromFramework(error: unknown): ApiError | null {
  if (!(error instanceof Error)) return null
  const { statusCode, getStatus } = error as { statusCode?: number; getStatus?: () => number }
  const code = codeByStatus[statusCode ?? getStatus?.call(error) ?? 500]
  if (code === 'service_unavailable') return unavailable('no answer could be made in time')
  return code ? ApiError.of(code, error.message) : null
}

function unavailable(detail: string): ApiError {
  return new ApiError([errorObject('service_unavailable', detail)], { 'retry-after': '5' })
}
