import { expect, test } from 'vitest'
import { defineResource, type ResourceDefinition } from './definition.ts'
import { parseTags, versionOf } from './etag.ts'

interface ThingRow {
  id: string
  name: string
  ownerId: string | null
  secretSealed: string | null
  createdAt: Date
}

const things: ResourceDefinition = defineResource<ThingRow>({
  type: 'things',
  path: '/api/things',
  idPrefix: 'thg',
  attributes: { name: { kind: 'text' }, created_at: { kind: 'timestamp' } },
  relationships: { owner: { target: (): ResourceDefinition => things } },
  secrets: { secret: 'secretSealed' },
})
const row: ThingRow = { id: 'thg_1', name: 'a', ownerId: null, secretSealed: 'x', createdAt: new Date(5) }

test('a version changes with every attribute, relationship and secret, and with nothing else', () => {
  const changes: Partial<ThingRow>[] = [
    { id: 'thg_2' },
    { name: 'b' },
    { ownerId: 'thg_3' },
    { secretSealed: 'y' },
    { createdAt: new Date(6) },
  ]
  const versions = [row, ...changes.map((change) => ({ ...row, ...change }))].map((each) => versionOf(things, each))
  expect(new Set(versions).size).toBe(6)
  expect(versionOf(things, { ...row, owner: { id: 'thg_9' } } as ThingRow)).toBe(versions[0])
  expect(versions[0]).toMatch(/^[\w-]{22}$/)
})

test.each([
  ['*', '*'],
  [' * ', '*'],
  ['"a"', [{ opaque: 'a', weak: false }]],
  [
    'W/"a,b" , "c"',
    [
      { opaque: 'a,b', weak: true },
      { opaque: 'c', weak: false },
    ],
  ],
  [', "a",, ', [{ opaque: 'a', weak: false }]],
  ['""', [{ opaque: '', weak: false }]],
])('%j is read as tags', (text, tags) => {
  expect(parseTags('If-Match', text)).toEqual(tags)
})

test.each(['a', '"a', 'a"', 'w/"a"', '"a" "b"', '"a"; "b"', '*, "a"', '"a" *', `"${'a'.repeat(50_000)}`])(
  '%.20j is refused',
  (text) => {
    expect(() => parseTags('If-Match', text)).toThrow(/If-Match is \* or a list/)
  },
)
