import type { MeteringContext } from '@apigate/core'
import type { Exchange } from './exchange.ts'
import type { BodyCopy, KeptForMetering } from './kept-for-metering.ts'
import { paramValues, queryValues } from './request-values.ts'

/** An exchange at its end, as a metering expression sees it. */
export class MeteringFacts implements MeteringContext {
  readonly latencyMs: number
  readonly #exchange: Exchange
  readonly #kept: KeptForMetering
  #requestBody: unknown
  #responseBody: unknown

  constructor(exchange: Exchange, kept: KeptForMetering) {
    this.#exchange = exchange
    this.#kept = kept
    this.latencyMs = Math.round(performance.now() - exchange.startedAtMs)
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
    return paramValues(this.#exchange)
  }

  get query(): unknown {
    return queryValues(this.#exchange)
  }

  get requestBytes(): number {
    return this.#exchange.requestBytes
  }

  get responseBytes(): number {
    return this.#exchange.responseBytes
  }

  get requestHeaders(): unknown {
    return this.#exchange.clientHeaders
  }

  get requestBody(): unknown {
    return (this.#requestBody ??= json(this.#kept.requestBody))
  }

  get responseHeaders(): unknown {
    return this.#kept.responseHeaders
  }

  get responseBody(): unknown {
    return (this.#responseBody ??= json(this.#kept.responseBody))
  }

  get sseEvents(): number | null {
    return this.#kept.stream?.facts.events ?? null
  }

  get sseLast(): unknown {
    return this.#kept.stream?.facts.last ?? null
  }

  get sseUsage(): unknown {
    return this.#kept.stream?.facts.usage ?? null
  }

  get messagesIn(): number {
    return this.#exchange.messagesIn
  }

  get messagesOut(): number {
    return this.#exchange.messagesOut
  }
}

/** The value, null for what is no JSON. */
function json(body: BodyCopy | null): unknown {
  const text = body?.text() ?? null
  if (text === null) return null
  try {
    return JSON.parse(text) as unknown
  } catch {
    return null
  }
}
