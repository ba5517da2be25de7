import type { TransformPart } from '@apigate/core'
import type { AnswerFields } from '../../upstream/http1/answer.fields.ts'
import type { Exchange } from '../exchange.ts'
import { ExchangeVariables } from '../exchange-variables.ts'
import { isJsonType } from '../json-body.ts'

/** What becomes of an answer of the upstream. */
export interface AnswerChanges {
  readonly parts: readonly TransformPart[]
  /** Its body would be changed, if it has one: it is JSON, and some part speaks of bodies. */
  readonly changesBody: boolean
}

/** What the route's `response_transform` does with an answer of this status; null without one. */
export function transformResponse(exchange: Exchange, status: number, fields: AnswerFields): AnswerChanges | null {
  const { responseTransform } = exchange.match!.route
  if (responseTransform === null) return null
  const variables = (exchange.variables ??= new ExchangeVariables(exchange))
  const parts = responseTransform.select(variables, status)
  const isJson = isJsonType(fields.get('content-type')) || status === 304
  return { parts, changesBody: isJson && parts.some(({ body }) => body !== null) }
}
