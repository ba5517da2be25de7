import { ApiError } from '@apigate/errors'
import type { Links } from './document.ts'
import type { Cursor, PageRequest } from './page.ts'
import type { RequestUrl } from './request-url.ts'

/**
 * Cursor pagination after the profile https://jsonapi.org/profiles/ethanresnick/cursor-pagination/: rows after or before a
 * place in the order of (created_at, id), found by index whatever the depth, and never counted. A cursor is opaque to
 * clients; an empty `page[after]=` starts at the first row, an empty `page[before]=` ends at the last.
 */

export function encodeCursor(row: { createdAt: Date; id: string }): string {
  return Buffer.from(`${row.createdAt.getTime()} ${row.id}`).toString('base64url')
}

/** @throws ApiError 400 for a cursor that we did not make. */
export function decodeCursor(parameter: string, text: string): Cursor {
  const match = /^(\d{1,15}) ([\x21-\x7e]{1,200})$/.exec(Buffer.from(text, 'base64url').toString('latin1'))
  if (!match?.[1] || !match[2]) {
    throw ApiError.of('bad_request', `${parameter} is not a cursor that was handed out here`, { parameter })
  }
  return { createdAt: new Date(Number(match[1])), id: match[2] }
}

/** `prev` and `next` by the rows at both ends; null where the list ends (an empty page does not know its neighbours). */
export function cursorLinks(
  url: RequestUrl,
  page: Extract<PageRequest, { kind: 'cursor' }>,
  rows: readonly { createdAt: Date; id: string }[],
  more: boolean,
): Links {
  const first = rows.at(0)
  const last = rows.at(-1)
  const morePrev = page.direction === 'before' ? more : page.cursor !== null
  const moreNext = page.direction === 'after' ? more : page.cursor !== null
  return {
    self: url.with({}),
    prev: first && morePrev ? url.with({ 'page[after]': null, 'page[before]': encodeCursor(first) }) : null,
    next: last && moreNext ? url.with({ 'page[before]': null, 'page[after]': encodeCursor(last) }) : null,
  }
}
