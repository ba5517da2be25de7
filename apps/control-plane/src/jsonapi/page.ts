import { ApiError } from '@apigate/errors'
import type { Links, Meta } from './document.ts'
import type { RequestUrl } from './request-url.ts'

export const pageSizeDefault = 20
export const pageSizeMax = 100

/** A page by its number, or the rows next to a cursor (see cursor.ts). */
export type PageRequest =
  | { kind: 'number'; number: number; size: number }
  | { kind: 'cursor'; direction: 'after' | 'before'; cursor: Cursor | null; size: number }

/** A place between rows that are in order of (created_at, id). */
export interface Cursor {
  createdAt: Date
  id: string
}

/** Rows of one page: with the total for a page by number, or whether more follow for one by cursor. */
export interface Page<R> {
  rows: R[]
  total?: number
  more?: boolean
}

/** 0 and negative fall back to the default. @throws ApiError 400 for text that is no whole number. */
export function readPageNumber(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  if (!/^[-+]?\d+$/.test(text)) {
    throw ApiError.of('bad_request', `${name} must be a whole number`, { parameter: name })
  }
  return Number(text) > 0 ? Math.min(Number(text), Number.MAX_SAFE_INTEGER) : fallback
}

export function pageMeta(total: number, page: { number: number; size: number }): Meta {
  return { total, page: page.number, per_page: page.size, pages: pageCount(total, page.size) }
}

export function pageLinks(url: RequestUrl, total: number, page: { number: number; size: number }): Links {
  const last = pageCount(total, page.size)
  const link = (number: number): string => url.with({ 'page[number]': String(number) })
  return {
    self: url.with({}),
    first: link(1),
    last: link(last),
    ...(page.number > 1 && { prev: link(Math.min(page.number - 1, last)) }),
    ...(page.number < last && { next: link(page.number + 1) }),
  }
}

function pageCount(total: number, size: number): number {
  return Math.max(1, Math.ceil(total / size))
}
