import { expect, test } from 'vitest'
import { defineResource } from './definition.ts'
import { listOf } from './list-of.ts'
import { readListQuery } from './query.ts'

interface Row {
  id: string
  name: string | null
  size: number | null
  seenAt: Date
}
const definition = defineResource<Row>({
  ...{ type: 'rows', path: '/rows', idPrefix: 'row' },
  attributes: {
    name: { kind: 'text', nullable: true },
    size: { kind: 'integer', nullable: true },
    seen_at: { kind: 'timestamp' },
  },
})
const rows: Row[] = [
  { id: 'c', name: 'Gamma', size: null, seenAt: new Date(3) },
  { id: 'a', name: 'alpha', size: 2, seenAt: new Date(1) },
  { id: 'b', name: null, size: 2, seenAt: new Date(2) },
]

test.each([
  ['', 'abc'],
  ['sort=-id', 'cba'],
  ['sort=size', 'abc'],
  ['sort=-size,-seen_at', 'cba'],
  ['filter[size]=null', 'c'],
  ['filter[size]=null,2&sort=id', 'abc'],
  ['filter[size][ne]=2', 'c'],
  ['filter[size][gte]=2', 'ab'],
  ['filter[size][lt]=2', ''],
  ['filter[name][like]=AM', 'c'],
  ['filter[name][like]=l', 'a'],
  ['filter[seen_at][gt]=1970-01-01T00:00:00.001Z', 'bc'],
  ['page[size]=2', 'ab'],
  ['page[size]=2&page[number]=2', 'c'],
  ['page[size]=2&page[number]=9', ''],
])('"%s" answers as the database would', (query, ids) => {
  const page = listOf(rows, readListQuery(definition, `/rows?${query}`))
  expect(page.rows.map(({ id }) => id).join('')).toBe(ids)
})
