import type { ErrorCode } from '@apigate/errors'
import { answerHeaders } from './answer-headers.ts'
import type { Exchange } from './exchange.ts'
import { refusal, type Refusal } from './refusal.ts'
import { hasBody } from './request-body.ts'
import { shownPath } from './shown-path.ts'
import { meter } from './stages/meter.ts'
import { record } from './stages/record.ts'
import { canSendWhole, sendWhole } from './whole.answer.ts'

/** What is left of a refused request's body to read for the sake of the connection; more is cut off. */
const unreadBodyBytesMax = 65_536

/**
 * The end of every exchange, once: meter → record. `written` must let go of the answer's last bytes, and nothing else
 * may.
 */
export function finish(exchange: Exchange, written: () => void): void {
  if (exchange.isFinished) return
  exchange.isFinished = true
  // A target that was never normalised.
  if (exchange.path === '') exchange.path = shownPath(exchange.request.url ?? '')
  meter(exchange)
  record(exchange, written)
}

/** Answers with an error document of the gateway's own. The whole answer waits for the event. */
export function refuse(exchange: Exchange, { code, status, body, headers, closesConnection }: Refusal): void {
  if (exchange.isFinished) return
  const { response } = exchange
  exchange.isOwnAnswer = true
  exchange.status = status
  exchange.errorCode = code
  exchange.responseBytes = exchange.method === 'HEAD' ? 0 : body.length
  finish(exchange, () => {
    exchange.call?.abort()
    if (exchange.isClientGone) return
    const all = [...headers, 'content-length', String(body.length)]
    answerHeaders(exchange, all, closesConnection || !isWorthReading(exchange))
    if (exchange.method !== 'HEAD' && canSendWhole(exchange, body.length)) {
      sendWhole(exchange, all, body)
      return
    }
    response.writeHead(status, all)
    response.end(body)
  })
}

/** Ends what is under way: with an error document if nothing of the answer was promised yet, else by the connection. */
export function cutOff(exchange: Exchange, code: ErrorCode): void {
  if (exchange.status === 0) {
    refuse(exchange, refusal(code))
    return
  }
  exchange.errorCode = code
  exchange.call?.abort()
  finish(exchange, () => exchange.socket.destroy())
}

/** Whether the connection can be kept: the body that the client is still sending has an end, and soon. */
function isWorthReading({ request, awaitsContinue, isForwarded }: Exchange): boolean {
  if (request.complete || !hasBody(request)) return true
  // A client that was not told to go on may send the body or not (RFC 9110 §10.1.1).
  if (awaitsContinue || isForwarded) return false
  return Number(request.headers['content-length']) <= unreadBodyBytesMax
}
