import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { closing, refusal, type Refusal } from '../pipeline/refusal.ts'

const headersTooLarge = closing(refusal('header_fields_too_large'))
const tooSlow = closing(refusal('request_timeout'))
const malformed = closing(refusal('bad_request', 'This is not a well-formed HTTP/1.1 request.'))

export function refusalOfParseError(error: Error & { code?: string }): Refusal {
  if (error.code === 'HPE_HEADER_OVERFLOW') return headersTooLarge
  return error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? tooSlow : malformed
}

/** Answers where there is no request to answer, and closes. Nothing is recorded: nobody knows what was asked. */
export function refuseRaw(socket: Socket, { status, headers, body }: Refusal): void {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`
  socket.on('error', () => socket.destroy())
  head += `date: ${new Date().toUTCString()}\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`
  socket.write(Buffer.concat([Buffer.from(head), body]))
  socket.destroySoon()
}
