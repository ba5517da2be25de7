import { randomUUID } from 'node:crypto'
import { presentedKey, type PlainVariable, type VariableSource } from '@apigate/core'
import type { Exchange } from './exchange.ts'
import { paramValues, queryValues } from './request-values.ts'

const prefixChars = 12

/** The variables of transforms, for one exchange: its request as the client sent it. */
export class ExchangeVariables implements VariableSource {
  readonly #exchange: Exchange
  #params: Record<string, string> | null = null
  #query: Record<string, string> | null = null

  constructor(exchange: Exchange) {
    this.#exchange = exchange
  }

  plain(name: PlainVariable): string | undefined {
    const exchange = this.#exchange
    const { owner } = exchange
    switch (name) {
      case 'uuid':
        return randomUUID()
      case 'timestamp':
        return String(Math.floor(Date.now() / 1_000))
      case 'iso_time':
        return new Date().toISOString()
      case 'client_ip':
        return exchange.clientAddress
      case 'user_id':
        return owner?.kind === 'user' ? owner.id : undefined
      case 'group_id':
        return owner?.kind === 'group' ? owner.id : undefined
      case 'plan_id':
        return exchange.plan?.id
      case 'plan_name':
        return exchange.plan?.name
      case 'api_key_id':
        return exchange.keyId ?? undefined
      case 'api_key_prefix':
        return this.#keyPrefix()
      case 'request_id':
        return exchange.requestId
      case 'path':
        return exchange.path
      case 'method':
        return exchange.method
      case 'host':
        return exchange.host
    }
  }

  header(lowerCaseName: string): string | undefined {
    const { clientHeaders, isKeyInAuthorization } = this.#exchange
    // The key never goes on.
    if (lowerCaseName === 'authorization' && isKeyInAuthorization) return undefined
    if (!Object.hasOwn(clientHeaders, lowerCaseName)) return undefined
    const value = clientHeaders[lowerCaseName]
    const text = Array.isArray(value) ? value.join(', ') : (value ?? '')
    // Node gives a character for each byte.
    return /[\x80-\xff]/.test(text) ? Buffer.from(text, 'latin1').toString() : text
  }

  query(name: string): string | undefined {
    return (this.#query ??= queryValues(this.#exchange))[name]
  }

  param(name: string): string | undefined {
    return (this.#params ??= paramValues(this.#exchange))[name]
  }

  #keyPrefix(): string | undefined {
    const { keyId, clientHeaders } = this.#exchange
    if (keyId === null) return undefined
    const xApiKey = clientHeaders['x-api-key']
    const presented = presentedKey(clientHeaders.authorization, typeof xApiKey === 'string' ? xApiKey : undefined)
    return presented?.key.slice(0, prefixChars)
  }
}
