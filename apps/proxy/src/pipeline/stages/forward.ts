import { UpstreamCall } from '../../upstream/upstream.call.ts'
import type { Exchange } from '../exchange.ts'
import { hasBody } from '../request-body.ts'

/** Asks the upstream. Its answer goes back through the exchange's `AnswerRelay`. */
export function forward(exchange: Exchange): void {
  const { upstream, route, request, gateway } = exchange
  exchange.isForwarded = true
  if (exchange.upgradeHead !== null) {
    gateway.webSockets.forward(exchange, exchange.upgradeHead)
    return
  }
  if (exchange.awaitsContinue) exchange.response.writeContinue()
  upstream!.dispatch(
    {
      path: exchange.upstreamPath,
      method: exchange.upstreamMethod,
      headers: exchange.upstreamHeaders,
      body: hasBody(request) ? request : null,
      // A stream may be silent for long; its connection is watched by TCP keep-alive instead.
      bodyTimeout: route!.protocol === 'http' ? null : 0,
    },
    new UpstreamCall(exchange),
  )
}
