import { ApiError } from '@apigate/errors'
import { describe, expect, test } from 'vitest'
import { encodeCursor } from './cursor.ts'
import { defineResource, type ResourceDefinition } from './definition.ts'
import { readItemQuery, readListQuery, refuseQuery } from './query.ts'

interface OwnerRow {
  id: string
  name: string
}
interface ThingRow {
  id: string
  name: string
  size: number
  bytesTotal: bigint
  isOpen: boolean
  kind: string
  tags: string[]
  endsAt: Date | null
  ownerId: string
  createdAt: Date
}

const owners = defineResource<OwnerRow>({
  type: 'owners',
  path: '/owners',
  idPrefix: 'own',
  attributes: { name: { kind: 'text' } },
})
const shape = {
  type: 'things',
  path: '/things',
  idPrefix: 'thg',
  attributes: {
    name: { kind: 'text' },
    size: { kind: 'integer' },
    bytes_total: { kind: 'bigint' },
    is_open: { kind: 'boolean' },
    kind: { kind: 'enum', values: ['a', 'b'] },
    tags: { kind: 'list' },
    ends_at: { kind: 'timestamp', nullable: true },
    created_at: { kind: 'timestamp' },
  },
  relationships: { owner: { target: () => owners, nullable: true } },
} as const
const things = defineResource<ThingRow>(shape)
const ledger = defineResource<ThingRow>({ ...shape, cursor: true })

const list = (query: string, definition: ResourceDefinition = things) => readListQuery(definition, `/things?${query}`)
const refusal = (query: string, definition?: ResourceDefinition): unknown[] => {
  try {
    list(query, definition)
  } catch (error) {
    if (error instanceof ApiError) return error.errors.map(({ status, source }) => [status, source])
    throw error
  }
  return []
}

describe('pages', () => {
  test.each([
    ['', 1, 20],
    ['page[number]=3&page[size]=50', 3, 50],
    ['page%5Bnumber%5D=2', 2, 20],
    ['page[number]=0&page[size]=0', 1, 20],
    ['page[number]=-4&page[size]=-1', 1, 20],
    ['page[size]=100', 1, 100],
    ['page[size]=101', 1, 100],
    [`page[size]=${'9'.repeat(400)}`, 1, 100],
    ['page[number]=99999999999999999999', Number.MAX_SAFE_INTEGER, 20],
  ])('"%s" is page %i of %i', (query, number, size) => {
    expect(list(query).page).toEqual({ kind: 'number', number, size })
  })

  test.each([
    'page[number]=x',
    'page[size]=1.5',
    'page[size]=',
    'page[offset]=1',
    'page=1',
    'page[after]=',
    'page[]=1',
  ])('%s is refused by name', (query) => {
    expect(refusal(query)).toEqual([['400', { parameter: query.split('=')[0] }]])
  })

  test('a cursor leads back to its row', () => {
    const createdAt = new Date('2026-01-02T03:04:05.678Z')
    const cursor = encodeCursor({ createdAt, id: 'thg_1' })
    expect(list(`page[after]=${cursor}&page[size]=5`, ledger).page).toEqual({
      ...{ kind: 'cursor', direction: 'after', size: 5 },
      cursor: { createdAt, id: 'thg_1' },
    })
    expect(list('page[before]=', ledger).page).toMatchObject({ direction: 'before', cursor: null })
  })
})

describe('order', () => {
  test.each([
    ['', ['createdAt desc', 'id desc']],
    ['sort=name', ['name asc', 'id asc']],
    ['sort=-size,name', ['size desc', 'name asc', 'id asc']],
    ['sort=bytes_total,-bytes_total', ['bytesTotal asc', 'id asc']],
    ['sort=-id,name', ['id desc', 'name asc']],
  ])('"%s" is total', (query, order) => {
    expect(list(query).sort.map(({ field, direction }) => `${field} ${direction}`)).toEqual(order)
  })

  test.each(['sort=nope', 'sort=tags', 'sort=owner', 'sort=name,,size', 'sort=--name', 'sort=constructor'])(
    '%s is refused',
    (query) => expect(refusal(query)).toEqual([['400', { parameter: 'sort' }]]),
  )
})

describe('filters', () => {
  test.each([
    ['filter[name]=a,b', 'name', 'eq', ['a', 'b']],
    ['filter[name]=a%5C,b,%5C%5C,c', 'name', 'eq', ['a,b', '\\', 'c']],
    ['filter[name]=C:%5Cx,,%5C', 'name', 'eq', ['C:\\x', '', '\\']],
    ['filter[name][like]=a%5C,b', 'name', 'like', ['a\\,b']],
    ['filter[name]=null', 'name', 'eq', ['null']],
    ['filter[name][like]=a,b', 'name', 'like', ['a,b']],
    ['filter[size][gte]=-5', 'size', 'gte', [-5]],
    ['filter[bytes_total][lt]=9007199254740991', 'bytesTotal', 'lt', [9_007_199_254_740_991]],
    ['filter[is_open]=false', 'isOpen', 'eq', [false]],
    ['filter[kind][ne]=a,b', 'kind', 'ne', ['a', 'b']],
    ['filter[ends_at]=null', 'endsAt', 'eq', [null]],
    ['filter[ends_at][gt]=2026-01-01', 'endsAt', 'gt', [new Date('2026-01-01T00:00:00Z')]],
    ['filter[owner]=own_1', 'ownerId', 'eq', ['own_1']],
    ['filter[owner_id]=own_1', 'ownerId', 'eq', ['own_1']],
    ['filter[id]=thg_1', 'id', 'eq', ['thg_1']],
  ])('%s', (query, field, operator, values) => {
    expect(list(query).filters).toMatchObject([{ field, operator, values }])
  })

  test.each([
    ...['filter[nope]=1', 'filter[tags]=1', 'filter[size]=x', 'filter[size]=2147483648', 'filter[size][like]=1'],
    ...['filter[is_open]=yes', 'filter[is_open][gt]=true', 'filter[kind]=c', 'filter[kind][gt]=a'],
    ...['filter[ends_at]=0000-12-31', 'filter[ends_at]=9999-12-31T23:59:59-01:00'],
    ...['filter[ends_at]=soon', 'filter[ends_at]=2026-02-30', 'filter[name][regex]=a', 'filter[name][eq][x]=1'],
    ...['filter=1', 'filter[size]=', 'filter[size][gte]=null', 'filter[__proto__]=1'],
  ])('%s is refused by name', (query) => {
    expect(refusal(query)).toEqual([['400', { parameter: query.split('=')[0] }]])
  })
})

describe('include and fields', () => {
  test('say what a document shows', () => {
    const { include, fields } = list('include=owner&fields[things]=name,owner&fields[owners]=')
    expect(include).toEqual(new Map([['owner', new Map()]]))
    expect(fields).toEqual(
      new Map([
        ['things', new Set(['name', 'owner'])],
        ['owners', new Set()],
      ]),
    )
    expect(list('').include).toBeNull()
    expect(list('include=').include).toEqual(new Map())
  })

  test.each([
    'include=nope',
    'include=owner.nope',
    'include=owner.',
    'fields[nope]=x',
    'fields[things]=nope',
    'fields=x',
  ])('%s is refused by name', (query) => expect(refusal(query)).toEqual([['400', { parameter: query.split('=')[0] }]]))
})

test('one answer names every parameter that is wrong', () => {
  expect(refusal('page[number]=x&sort=nope&filter[size]=y')).toEqual([
    ['400', { parameter: 'page[number]' }],
    ['400', { parameter: 'sort' }],
    ['400', { parameter: 'filter[size]' }],
  ])
  expect(refusal('foo=1&myParam=2&sort=name&sort=size')).toEqual([
    ['400', { parameter: 'foo' }],
    ['400', { parameter: 'myParam' }],
    ['400', { parameter: 'sort' }],
  ])
})

test('a single resource has no pages, order or filters; other endpoints no parameters at all', () => {
  expect(() => readItemQuery(things, '/things/1?sort=name')).toThrow(ApiError)
  expect(() => refuseQuery('/things/1?include=owner')).toThrow(ApiError)
  expect(() => refuseQuery('/things/1?')).not.toThrow()
})
