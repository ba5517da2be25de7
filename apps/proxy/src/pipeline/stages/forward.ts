import { UpstreamCall } from '../../upstream/upstream.call.ts'
import type { Exchange } from '../exchange.ts'
import { refuse } from '../finish.ts'
import { refusal } from '../refusal.ts'
import { hasBody } from '../request-body.ts'

const unavailable = refusal('upstream_unavailable')

/** Asks the upstream. Its answer goes back through the exchange's `AnswerRelay`. */
export function forward(exchange: Exchange): void {
  const { upstream, route, request, gateway } = exchange
  const target = upstream!.choose([])
  if (target === null) {
    refuse(exchange, unavailable)
    return
  }
  exchange.isForwarded = true
  if (exchange.upgradeHead !== null) {
    gateway.webSockets.forward(exchange, exchange.upgradeHead, target)
    return
  }
  if (exchange.awaitsContinue) exchange.response.writeContinue()
  const length = request.headers['content-length']
  const upstreamRequest = {
    method: exchange.upstreamMethod,
    path: exchange.upstreamPath,
    headers: exchange.upstreamHeaders,
    body: hasBody(request) ? request : null,
    bodyBytes: length === undefined ? null : Number(length),
    // A stream may be silent for long; its connection is watched by TCP keep-alive instead.
    bodyTimeoutMs: route!.protocol === 'http' ? upstream!.config.timeoutMs : 0,
  }
  new UpstreamCall(exchange, upstreamRequest, target).start()
}
