import { valueOf, type Row } from './definition.ts'
import type { FilterTerm, FilterValue } from './filter.ts'
import type { Page } from './page.ts'
import type { ListQuery } from './query.ts'

/** A page, sorted and filtered as the query asks, of rows that are in memory; see `listArguments` for those that are not. */
export function listOf<R extends Row>(all: readonly R[], query: ListQuery): Page<R> {
  const found = all.filter((row) => query.filters.every((term) => holds(term, valueOf(row, term.field))))
  const sorted = found.toSorted((a, b) => {
    for (const { field, direction } of query.sort) {
      const order = compare(valueOf(a, field), valueOf(b, field))
      if (order !== 0) return direction === 'asc' ? order : -order
    }
    return 0
  })
  const { page } = query
  const start = page.kind === 'number' ? (page.number - 1) * page.size : 0
  return { rows: sorted.slice(start, start + page.size), total: sorted.length }
}

function holds({ operator, values }: FilterTerm, value: unknown): boolean {
  const [first] = values
  const same = (other: FilterValue): boolean => compare(value, other) === 0
  switch (operator) {
    case 'eq':
      return values.some(same)
    case 'ne':
      return !values.some(same)
    case 'like':
      return typeof value === 'string' && value.toLowerCase().includes(String(first).toLowerCase())
    case 'gt':
      return value !== null && compare(value, first) > 0
    case 'gte':
      return value !== null && compare(value, first) >= 0
    case 'lt':
      return value !== null && compare(value, first) < 0
    case 'lte':
      return value !== null && compare(value, first) <= 0
  }
}

/** Null comes last, as in PostgreSQL. */
function compare(a: unknown, b: unknown): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1
  const [left, right] = [comparable(a), comparable(b)]
  return left === right ? 0 : left < right ? -1 : 1
}

function comparable(value: unknown): string | number {
  if (typeof value === 'string') return value
  return value instanceof Date ? value.getTime() : Number(value)
}
