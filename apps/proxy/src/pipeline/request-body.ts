import type { IncomingMessage } from 'node:http'

/** RFC 9112 §6.3: a request has a body when it is framed as one. */
export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return length === undefined ? headers['transfer-encoding'] !== undefined : length !== '0'
}
