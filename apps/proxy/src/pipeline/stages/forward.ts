import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import type { Meter } from '@apigate/core'
import { UpstreamCall } from '../../upstream/upstream.call.ts'
import type { Exchange } from '../exchange.ts'
import { cutOff, refuse } from '../finish.ts'
import { KeptForMetering } from '../kept-for-metering.ts'
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
  const { meter } = exchange.match!.route
  if (meter.expression !== null) exchange.kept = keptFor(exchange, meter.reads)
  if (exchange.upgradeHead !== null) {
    gateway.webSockets.forward(exchange, exchange.upgradeHead, target)
    return
  }
  if (exchange.awaitsContinue) exchange.response.writeContinue()
  const upstreamRequest = {
    method: exchange.upstreamMethod,
    path: exchange.upstreamPath,
    headers: exchange.upstreamHeaders,
    body: exchange.sentBody ?? (hasBody(request) ? clientBody(exchange) : null),
    bodyBytes: exchange.sentBody?.length ?? lengthOf(request),
    // A stream may be silent for long; its connection is watched by TCP keep-alive instead.
    bodyTimeoutMs: route!.protocol === 'http' ? upstream!.config.timeoutMs : 0,
  }
  if (route!.protocol !== 'http') watchKey(exchange)
  new UpstreamCall(exchange, upstreamRequest, target).start()
}

/** A stream may outlive the key that opened it. */
function watchKey(exchange: Exchange): void {
  const { keyWatch } = exchange.gateway
  keyWatch.watch(exchange, (reason) => cutOff(exchange, reason))
  exchange.response.once('close', () => keyWatch.forget(exchange))
}

function lengthOf({ headers }: IncomingMessage): number | null {
  const length = headers['content-length']
  return length === undefined ? null : Number(length)
}

function clientBody({ request, kept }: Exchange): Readable {
  return kept === null ? request : kept.requestStream(request)
}

function keptFor({ request, receivedBody }: Exchange, reads: Meter['reads']): KeptForMetering {
  const kept = new KeptForMetering(reads)
  if (receivedBody !== null) kept.requestRead(request, receivedBody)
  return kept
}
