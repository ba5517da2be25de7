import { joinUpstreamPath, rewritePath } from '@apigate/core'
import { upstreamRequestHeaders } from '../../upstream/request-headers.ts'
import type { Exchange } from '../exchange.ts'
import { refusal, type Refusal } from '../refusal.ts'

const badPath = refusal('bad_request', 'The path cannot be rewritten for the upstream.')

/** Makes what the upstream is asked of what the client asked. */
export function rewrite(exchange: Exchange): Refusal | null {
  const path = rewritePath(exchange.match!)
  if (path === null) return badPath
  exchange.upstreamMethod = exchange.route!.methodOverride ?? exchange.method
  exchange.upstreamPath =
    joinUpstreamPath(exchange.upstream!.basePath, path) + (exchange.upstreamQuery ?? exchange.query)
  exchange.upstreamHeaders = upstreamRequestHeaders(exchange)
  return null
}
