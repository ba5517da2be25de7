import { decodeFormText, routeParams, type MeteringContext } from '@apigate/core'
import type { Exchange } from './exchange.ts'

/** An exchange at its end, as a metering expression sees it. */
export class MeteringFacts implements MeteringContext {
  readonly #exchange: Exchange

  constructor(exchange: Exchange) {
    this.#exchange = exchange
  }

  get status(): number {
    return this.#exchange.status
  }

  get method(): string {
    return this.#exchange.method
  }

  get path(): string {
    return this.#exchange.path
  }

  get params(): unknown {
    return decodedParams(this.#exchange)
  }

  get query(): unknown {
    return queryValues(this.#exchange.query)
  }

  get requestBytes(): number {
    return this.#exchange.requestBytes
  }

  get responseBytes(): number {
    return this.#exchange.responseBytes
  }

  get latencyMs(): number {
    return Math.round(performance.now() - this.#exchange.startedAtMs)
  }

  get requestHeaders(): unknown {
    return this.#exchange.request.headers
  }

  readonly requestBody = null
  readonly responseHeaders = null
  readonly responseBody = null
  readonly sseEvents = null
  readonly sseLast = null
  readonly sseUsage = null
  readonly messagesIn = 0
  readonly messagesOut = 0
}

/** Text of each `{name}` of the route's pattern, percent-decoded where that gives text. */
export function decodedParams({ match }: Exchange): Record<string, string> {
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

/** The first value of each parameter, decoded. */
export function queryValues(query: string): Record<string, string> {
  const values: Record<string, string> = Object.create(null) as Record<string, string>
  for (const pair of query.length < 2 ? [] : query.slice(1).split('&')) {
    const equals = pair.indexOf('=')
    const name = decodeFormText(equals === -1 ? pair : pair.slice(0, equals))
    values[name] ??= equals === -1 ? '' : decodeFormText(pair.slice(equals + 1))
  }
  return values
}
