import { decodeFormText, routeParams } from '@apigate/core'
import type { Exchange } from './exchange.ts'

/** Text of each `{name}` of the route's pattern, percent-decoded where that gives text. */
export function paramValues({ match }: Exchange): Record<string, string> {
  const params = match === null ? {} : routeParams(match)
  for (const name in params) {
    try {
      params[name] = decodeURIComponent(params[name]!)
    } catch {
      // No UTF-8: it stays as it was matched.
    }
  }
  return params
}

/** The first value of each parameter that the client sent, decoded. */
export function queryValues({ query }: Exchange): Record<string, string> {
  const values: Record<string, string> = Object.create(null) as Record<string, string>
  for (const pair of query.length < 2 ? [] : query.slice(1).split('&')) {
    const equals = pair.indexOf('=')
    const name = decodeFormText(equals === -1 ? pair : pair.slice(0, equals))
    values[name] ??= equals === -1 ? '' : decodeFormText(pair.slice(equals + 1))
  }
  return values
}
