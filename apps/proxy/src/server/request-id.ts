import { randomUUID } from 'node:crypto'

const visibleAscii = /^[\x21-\x7e]{1,128}$/

/** The client's request id if it can stand in a header and a log line, else a new one. */
export function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === 'string' && visibleAscii.test(header) ? header : randomUUID()
}
