import type { IncomingMessage } from 'node:http'
import type { WireLimits } from '../config.ts'
import type { Exchange } from '../pipeline/exchange.ts'
import { shownPath } from '../pipeline/shown-path.ts'
import { closing, refusal, type Refusal } from '../pipeline/refusal.ts'

const urlTooLong = closing(refusal('uri_too_long'))
const headersTooLarge = closing(refusal('header_fields_too_large'))
const oneHost = closing(refusal('bad_request', 'There must be exactly one Host header.'))
const badFraming = closing(refusal('bad_request', 'The framing of the body is not usable.'))

/** What Node's parser leaves to be checked: sizes, `Host` and framing. A refusal is the last answer on its connection. */
export function checkWire(exchange: Exchange, limits: WireLimits): Refusal | null {
  const { request } = exchange
  const url = request.url ?? ''
  if (url.length > limits.urlBytesMax) {
    exchange.path = shownPath(url).slice(0, limits.urlBytesMax)
    return urlTooLong
  }

  const { rawHeaders, headers } = request
  if (rawHeaders.length > limits.headersMax * 2) return headersTooLarge
  let bytes = 0
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    // ": " and CRLF.
    bytes += name.length + rawHeaders[i + 1]!.length + 4
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  if (bytes > limits.headerBytesMax) return headersTooLarge
  // RFC 9112 §3.2. Node takes the first of several, and asks for one only by an answer without a body.
  if (hosts > 1 || (hosts === 0 && request.httpVersionMinor === 1)) return oneHost
  if (!isFramingPlain(request)) return badFraming
  exchange.authority = headers.host ?? ''
  return null
}

/** Another transfer coding than chunked stays undecoded, and HTTP/1.0 knows none: both read differently by others. */
function isFramingPlain({ headers, httpVersionMinor }: IncomingMessage): boolean {
  const coding = headers['transfer-encoding']
  const length = headers['content-length']
  // Beyond that it could not be said again as it was.
  if (coding === undefined) return length === undefined || Number.isSafeInteger(Number(length))
  return httpVersionMinor === 1 && coding.toLowerCase() === 'chunked' && length === undefined
}
