import { STATUS_CODES } from 'node:http'
import type { Exchange } from './exchange.ts'

/** What Node writes to a socket without a copy of its own making. */
const wholeBytesMax = 12_288

/** Whether an answer with a body of that length may leave by `sendWhole`: as nearly all do that are small. */
export function canSendWhole({ request, response, upgradeHead }: Exchange, bodyBytes: number): boolean {
  return (
    bodyBytes <= wholeBytesMax && response.shouldKeepAlive && request.httpVersionMinor === 1 && upgradeHead === null
  )
}

/**
 * Writes head and body as one, past the header checks of `ServerResponse`, which cost more than all stages together: all that
 * stands here was checked when it was parsed, or is our own. The response is done as Node does it, by its `finish`.
 *
 * @param headers names and values alternating, names in lower case, `content-length` among them.
 */
export function sendWhole(exchange: Exchange, headers: readonly string[], body: Buffer | null): void {
  const { response, socket, status, gateway } = exchange
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`
  let hasDate = false
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!
    if (name === 'date') hasDate = true
    text += `${name}: ${headers[i + 1]}\r\n`
  }
  if (!hasDate) text += `date: ${dateText()}\r\n`
  text += connectionText(gateway.keepAliveTimeoutMs)
  if (body !== null) text += body.toString('latin1')
  if (!socket.writable) return
  socket.write(text, 'latin1')
  // What a slow client has not taken yet is waited for, as Node does, before the next request is looked at.
  if (socket.writableLength === 0) response.emit('finish')
  else socket.write('', (error) => !error && response.emit('finish'))
}

let second = NaN
let secondText = ''

/** RFC 9110 §5.6.7, made once a second. */
function dateText(): string {
  const now = Math.floor(Date.now() / 1_000)
  if (now !== second) {
    second = now
    secondText = new Date(now * 1_000).toUTCString()
  }
  return secondText
}

let timeoutMs = NaN
let text = ''

/** As Node says it, and the end of the head. */
function connectionText(keepAliveTimeoutMs: number): string {
  if (keepAliveTimeoutMs !== timeoutMs) {
    timeoutMs = keepAliveTimeoutMs
    text = `connection: keep-alive\r\nkeep-alive: timeout=${Math.floor(timeoutMs / 1_000)}\r\n\r\n`
  }
  return text
}
