import { appendLimitHeaders } from '../limits/limit-headers.ts'
import type { Exchange } from './exchange.ts'

/** Adds what every answer carries, the upstream's and our own. */
export function answerHeaders(exchange: Exchange, headers: string[], closesConnection: boolean): void {
  headers.push('x-request-id', exchange.requestId)
  appendLimitHeaders(exchange, headers, exchange.gateway.sendsDraftRateLimit)
  if (closesConnection || exchange.gateway.isDraining) exchange.response.shouldKeepAlive = false
}
